"""Where on a picture a defect may lie: its legal region, as an (H, W) bool mask."""

from abc import ABC, abstractmethod
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from defectgen.errors import UserError
from defectgen.imaging.files import Mask, Pixels, is_picture
from defectgen.imaging.read import read_mask

CONTRAST = 5.0  # a part differs from the border this many times as much as the ground does; noise and shading reach 4
REACH = 3.0  # pixels at 64 px by which a region exceeds its shape; training regions exceed it by 1 to 4
FAINTEST = 0.001  # a smaller difference, as a share of the brightness range, is rounding


class Legal(ABC):
    """Finds the legal region of a picture."""

    @abstractmethod
    def __call__(self, pixels: Pixels, path: Path) -> Mask | None:
        """The (H, W) region of native pixels read from `path`; None means the whole picture."""


class Whole(Legal):
    """Defects may lie anywhere: the product fills the frame."""

    def __call__(self, pixels: Pixels, path: Path) -> None:
        return None


class Foreground(Legal):
    """The part on a plainer background: what differs from the frame's border in brightness, colour or texture.

    margin: the silhouette grown by this share of the picture's diagonal, because annotators draw past the edge.
    """

    def __init__(self, margin: float = 0.02) -> None:
        self.margin = margin

    def __call__(self, pixels: Pixels, path: Path) -> Mask | None:
        """None also where the silhouette is nearly nothing or nearly everything: then it cannot be trusted."""
        part = silhouette(pixels)
        if not 0.01 < part.mean() < 0.9:
            return None
        return grow(part, self.margin * np.hypot(*part.shape))


class RegionImages(Legal):
    """One mask per picture, same file name (any suffix) in `folder`; white is legal. No mask: the whole picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"{folder}: no such folder of region images; correct the path")

    def __call__(self, pixels: Pixels, path: Path) -> Mask | None:
        found = sorted(file for file in self.folder.iterdir() if file.stem == path.stem and is_picture(file))
        if not found:
            return None
        region = read_mask(found[0])
        if region.shape != pixels.shape[:2]:
            raise UserError(f"{found[0]}: {region.shape} does not fit {path} {pixels.shape[:2]}; draw it anew")
        if not region.any():
            raise UserError(f"{found[0]}: empty region; paint white where a defect may lie, or remove the file")
        return region


def grow(mask: Mask, radius: float) -> Mask:
    """Every pixel within `radius` pixels of the mask."""
    if not mask.any():
        return mask
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius


def silhouette(pixels: Pixels) -> Mask:
    """The part: Otsu's threshold on the difference from the border's median colour and roughness, holes filled.

    The largest component and every other of at least a tenth of its area are kept. Nothing stands out of a plain
    picture: the mask is empty.
    """
    planes = np.atleast_3d(pixels).astype(np.float32) / np.iinfo(pixels.dtype).max
    smooth = np.atleast_3d(cv2.GaussianBlur(planes, (0, 0), 1.5))
    rough = np.sqrt(cv2.blur(((planes - smooth) ** 2).mean(axis=2), (7, 7)))
    features = np.dstack([smooth, 2 * rough])
    frame = max(2, min(pixels.shape[:2]) // 40)
    border = np.ones(pixels.shape[:2], bool)
    border[frame:-frame, frame:-frame] = False
    distance = np.linalg.norm(features - np.median(features[border], axis=0), axis=2)
    other = distance > threshold_otsu(distance)
    if not other.any() or distance[other].mean() < max(FAINTEST, CONTRAST * distance[~other].mean()):
        return np.zeros_like(other)
    part = ndimage.binary_fill_holes(ndimage.binary_closing(other, iterations=2))
    numbered, count = ndimage.label(part)
    if not count:
        return part
    areas = np.bincount(numbered.ravel())[1:]
    return np.isin(numbered, 1 + np.flatnonzero(areas >= areas.max() / 10))
