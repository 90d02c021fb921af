"""Captions: what a defect looks like in words, made of its class and of what can be measured of it.

    "long thin dark crack, vertical, near the edge"

Every number is measured on the patch as a network sees it, so that a caption of a planned defect says the same.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask

GOOD_SURFACE = "good surface"
TINY, LARGE = 0.01, 0.15  # share of the patch
SHORT, LONG = 0.25, 0.6  # length over the patch's side
ROUND, THIN = 1.6, 4.0  # length over width
FAINT = (
    0.08  # difference of brightness from the surface about it, in units of [-1, 1], below which nobody calls it dark
)
RIM = 9  # pixels of surface that it is compared with
EDGE = 0.08  # of the square's side: nearer than that to where no defect may lie is near the edge
DIRECTIONS = ("horizontal", "diagonal", "vertical", "diagonal")


def caption(label: str, mask: Mask, tone: str, at_edge: bool) -> str:
    """What is said of a defect of class `label` with the shape `mask` (H, W), which shows at least a pixel."""
    length, width, angle = _axes(mask)
    side, share, elongation = len(mask), mask.mean(), length / width
    words = [
        "tiny" if share < TINY else "large" if share > LARGE else "",
        "short" if length < SHORT * side else "long" if length > LONG * side else "",
        "round" if elongation < ROUND else "thin" if elongation > THIN else "thick",
        tone,
        label.replace("_", " "),
    ]
    lies = DIRECTIONS[round(angle / (np.pi / 4)) % 4] if elongation > ROUND else ""
    parts = [" ".join(filter(None, words)), lies, "near the edge" if at_edge else ""]
    return ", ".join(filter(None, parts))


def tone_of(patch: NDArray[np.float32], mask: Mask) -> str:
    """Whether a defect in a patch (C, H, W) in [-1, 1] is darker or brighter than the surface about it."""
    rim = cv2.dilate(mask.astype(np.uint8), np.ones((RIM, RIM))).astype(bool) & ~mask
    if not rim.any() or not mask.any():
        return "mixed"
    grey = patch.mean(axis=0)
    inside, about = grey[mask], grey[rim]
    dark, bright = ((inside < about.mean() - FAINT).mean(), (inside > about.mean() + FAINT).mean())
    if max(dark, bright) < 0.25:
        return "faint"
    return "mixed" if min(dark, bright) > 0.25 else "dark" if dark > bright else "bright"


def near_edge(shape: Mask, allowed: Mask) -> bool:
    """Whether a shape (S, S) comes near to what is not allowed (S, S): the part's edge, or the picture's."""
    if allowed.all():
        return False
    return bool((cv2.distanceTransform(allowed.astype(np.uint8), cv2.DIST_L2, 3)[shape] < EDGE * len(shape)).any())


def _axes(mask: Mask) -> tuple[float, float, float]:
    """Length, width (pixels) and angle in [0, pi) to the horizontal of the ellipse with the mask's second moments."""
    rows, columns = np.nonzero(mask)
    spread = np.cov(np.stack([columns, rows]), bias=True) + np.eye(2) / 12  # a pixel has a width too
    values, vectors = np.linalg.eigh(spread)
    x, y = vectors[:, 1]
    return 4 * values[1] ** 0.5, 4 * values[0] ** 0.5, float(np.arctan2(y, x) % np.pi)
