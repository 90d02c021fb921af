"""Drawn parts in any pose, for the tests of what finds a part and of what finds places on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels

Points = NDArray[np.float64]

# A club: a thick head, a long thin shaft, a hook on one side of it. Unlike its mirror image, unlike itself turned.
_X = [-50, -20, -12, 60, 60, 25, 22, 12, 10, -12, -20, -50]
_Y = [-18, -18, -7, -5, 5, 6, 24, 24, 6, 8, 20, 16]
OUTLINE: Points = np.column_stack([_X, _Y]).astype(float)
LANDMARKS: Points = np.array([[-40, 0], [55, 0], [17, 20], [0, -6], [-22, 15]], float)  # head, tip, hook, two sides


def turned(points: Points, degrees: float, centre: tuple[float, float], scale: float = 1.0) -> Points:
    """Points (N, 2) of the part, in pixels (x, y) of a picture."""
    a = np.radians(degrees)
    return scale * points @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + centre


def club(degrees: float, centre: tuple[float, float] = (100.0, 100.0), shape: tuple[int, int] = (200, 200)) -> Mask:
    """The part as a mask; corners at a sixteenth of a pixel."""
    corners = np.rint(turned(OUTLINE, degrees, centre) * 16).astype(np.int32)
    return cv2.fillPoly(np.zeros(shape, np.uint8), [corners], 1, shift=4).astype(bool)


def photograph(
    part: Mask, surface: float, ground: float, grain: float, rough: float = 0.0, channels: int = 1, depth: int = 8
) -> Pixels:
    """A part of one brightness on a ground of another, both in [0, 1], with grain; the part may be rougher."""
    rng = np.random.default_rng(0)
    size = (*part.shape, channels)
    values = np.where(part, surface, ground)[..., None] + rng.normal(0, 1, size) * (grain + rough * part[..., None])
    top = 2**depth - 1
    pixels = np.rint(np.clip(values, 0, 1) * top).astype(np.uint8 if depth == 8 else np.uint16)
    return pixels if channels == 3 else pixels[..., 0]
