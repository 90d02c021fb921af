"""Distances in masks. OpenCV's exact transform is faster, but its last bit depends on where in memory it works."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from defectgen.imaging.files import Mask


def to_outside(mask: Mask) -> NDArray[np.float32]:
    """Euclidean distance in pixels from each pixel of a mask (H, W) to the nearest one outside it; 0 outside.

    Where the mask has no outside: the picture's diagonal, farther than any pixel of it.
    """
    if mask.all():
        return np.full(mask.shape, np.hypot(*mask.shape), dtype=np.float32)
    return distance_transform_edt(mask).astype(np.float32)
