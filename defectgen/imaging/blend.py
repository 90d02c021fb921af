"""Bringing a defect drawn at 64 px into a native picture so that nothing outside its region changes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels, from_float, to_float

FEATHER = 1.5  # pixels at 64 px over which the blend weight rises from the region's edge


def blend_weight(region: Mask, side: int) -> NDArray[np.float32]:
    """Alpha at native size (side, side) in [0, 1] from the region at 64 px; its support lies inside the region."""
    share = cv2.resize(region.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    padded = np.pad((share >= 0.5).astype(np.uint8), 1, mode="edge")  # a region cut by the square's edge is no edge
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.clip(depth / (FEATHER * side / region.shape[0]), 0, 1).astype(np.float32)


def add_change(clean: Pixels, change: NDArray[np.float32], alpha: NDArray[np.float32]) -> Pixels:
    """The clean square (S, S[, 3]) plus the change (C, 64, 64), upsampled and weighted by alpha (S, S).

    The clean picture keeps its native grain; where alpha is 0 the result is bit-identical to it.
    """
    side = clean.shape[0]
    planes = [cv2.resize(plane, (side, side), interpolation=cv2.INTER_CUBIC) for plane in change]
    drawn = from_float(to_float(clean) + np.float32(np.stack(planes)) * alpha, clean.dtype)
    support = alpha > 0
    return np.where(support if clean.ndim == 2 else support[..., None], drawn, clean)
