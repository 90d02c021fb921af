"""Defects of one shape that differ by what is inside: only a picture tells which is a copy of which."""

import cv2
import numpy as np

from defectgen.imaging.files import Mask, Pixels
from defectgen.quality.drawn import Drawn

SIDE = 96


def blob(long: int = 24, wide: int = 14) -> Mask:
    """An ellipse in the middle, half axes in pixels."""
    return cv2.ellipse(np.zeros((SIDE, SIDE), np.uint8), (47, 49), (long, wide), 20, 0, 360, 1, -1).astype(bool)


def surface(seed: int, channels: int = 1) -> Pixels:
    """Fine grain about 150."""
    grain = np.random.default_rng(seed).normal(150, 4, (SIDE, SIDE, channels))
    return np.rint(grain if channels == 3 else grain[..., 0]).astype(np.uint8)


def defect(seed: int, shape: Mask | None = None, texture: float = 15, label: str = "pit", channels: int = 1) -> Drawn:
    """A dark spot, deeper in the middle, with a texture of so many grey levels that only `seed` decides."""
    shape = blob() if shape is None else shape
    depth = cv2.distanceTransform(shape.astype(np.uint8), cv2.DIST_L2, 5)
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE)), (0, 0), 2.5)
    depth = np.minimum(depth, SIDE)
    spot = -30 - 2 * depth + texture * noise / noise.std()
    clean = surface(1000 + seed, channels)
    dark = (shape * spot)[..., None] if channels == 3 else shape * spot
    result = np.rint(clean + dark).clip(0, 255).astype(np.uint8)
    return Drawn(
        label, f"part {seed}", clean, result, shape, shape, shape.astype(np.float32), shape, np.ones_like(shape)
    )
