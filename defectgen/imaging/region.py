"""Where on a picture a defect may lie: its legal region, as an (H, W) bool mask."""

from abc import ABC, abstractmethod
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from defectgen.errors import UserError
from defectgen.imaging.distance import to_outside
from defectgen.imaging.files import Mask, Pixels, is_picture
from defectgen.imaging.read import read_mask

CONTRAST = 5.0  # a part differs from the border this many times as much as the ground does; noise and shading reach 4
REACH = 3.0  # pixels at 64 px by which a region exceeds its shape; training regions exceed it by 1 to 4
SMOOTH = 2.0  # a shadow is as smooth as the ground's roughest spots, times this
PALE = 0.75  # and differs from the ground by less than this share of the part's difference
SEEN = 512  # side at which the part of a large picture is looked for
TRUSTED = 0.05  # share of a legal region that a silhouette must cover
EVERY = "all"  # stem of the region image for every picture
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
    """Masks painted by a person: where a defect may lie, where it must not, or both.

    A picture's mask has its file name (any suffix); a file named `all` (any suffix) is for every picture without one of
    its own. folder: white is legal; a picture without a mask is legal as a whole. forbidden: white is not.
    """

    def __init__(self, folder: Path | None = None, forbidden: Path | None = None) -> None:
        if folder is None and forbidden is None:
            raise UserError("ingest.legal: RegionImages has neither a folder nor forbidden; name one")
        self.folder, self.forbidden = _existing(folder), _existing(forbidden)

    def __call__(self, pixels: Pixels, path: Path) -> Mask | None:
        legal, forbidden = (_painted(folder, pixels, path) for folder in (self.folder, self.forbidden))
        if legal is not None and not legal.any():
            raise UserError(f"{self.folder}: {path.name} has an empty region; paint white where a defect may lie")
        if forbidden is None:
            return legal
        left = ~forbidden if legal is None else legal & ~forbidden
        if not left.any():
            raise UserError(f"{self.forbidden}: nothing of {path.name} is left to defects; paint less of it white")
        return left


def _existing(folder: Path | None) -> Path | None:
    if folder is not None and not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder of region images; correct the path")
    return None if folder is None else Path(folder)


def _painted(folder: Path | None, pixels: Pixels, path: Path) -> Mask | None:
    """The mask a folder has for a picture: its own, else the one for all, else None."""
    files = sorted(filter(is_picture, folder.iterdir())) if folder else []
    found = [file for stem in (path.stem, EVERY) for file in files if file.stem == stem]
    if not found:
        return None
    region = read_mask(found[0])
    if region.shape != pixels.shape[:2]:
        raise UserError(f"{found[0]}: {region.shape} does not fit {path} {pixels.shape[:2]}; draw it anew")
    return region


def find_part(pixels: Pixels, legal: Mask | None) -> Mask | None:
    """Where the product is seen, without the margin of its legal region; None: it fills the picture.

    Nothing says that there is a part where the whole picture is legal. A silhouette that is nearly nothing of the legal
    region cannot be trusted; then the region counts as the part.
    """
    if legal is None:
        return None
    height, width = legal.shape
    zoom = max(1.0, max(height, width) / SEEN)
    small = cv2.resize(
        pixels, (max(1, round(width / zoom)), max(1, round(height / zoom))), interpolation=cv2.INTER_AREA
    )
    found = cv2.resize(silhouette(small).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    part = found & legal
    return part if part.sum() > TRUSTED * legal.sum() else legal


def grow(mask: Mask, radius: float) -> Mask:
    """Every pixel within `radius` pixels of the mask."""
    if not mask.any():
        return mask
    return to_outside(~mask) <= radius


def silhouette(pixels: Pixels) -> Mask:
    """The part: Otsu's threshold on the difference from the border's median colour and roughness, holes filled.

    Its soft shadow is left out. The largest component and every other of at least a tenth of its area are kept. Nothing
    stands out of a plain picture: the mask is empty.
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
    other &= ~_shadow(smooth.mean(axis=2), rough, distance, other, border)
    part = ndimage.binary_fill_holes(ndimage.binary_closing(other, iterations=2))
    numbered, count = ndimage.label(part)
    if not count:
        return part
    areas = np.bincount(numbered.ravel())[1:]
    return np.isin(numbered, 1 + np.flatnonzero(areas >= areas.max() / 10))


def _shadow(
    bright: NDArray[np.float32], rough: NDArray[np.float32], distance: NDArray[np.float32], other: Mask, border: Mask
) -> Mask:
    """What is darker than the ground, as smooth as it, and differs from it clearly less than most of the part does.

    All are (H, W): brightness, roughness, difference from the ground, what stands out, the frame's border.
    """
    clear = distance[other & (distance >= np.median(distance[other]))].mean()
    dark = bright < np.median(bright[border])
    return other & dark & (rough < SMOOTH * np.quantile(rough[border], 0.95)) & (distance < PALE * clear)
