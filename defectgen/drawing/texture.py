"""Random textures: plain fields of numbers that products read as relief, reflectance or light.

Every function is a pure function of its random generator and returns float32 of shape (H, W) with zero mean and
unit standard deviation (before windowing to the picture), so that the caller sets the strength.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

STREAKS = ((220.0, 0.35, 0.7), (70.0, 0.45, 0.8), (20.0, 0.5, 0.5), (160.0, 2.0, 0.5), (300.0, 8.0, 0.4))
"""Layers of brushing: length along and width across the brush in pixels (standard deviations), and weight."""


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Field:
    """Isotropic noise of shape (H, W) whose grains have a radius of about `scale` pixels."""
    return _stretched_noise(rng, shape, scale, scale)


def brushed(rng: np.random.Generator, shape: tuple[int, int], angle: float) -> Field:
    """Brushed metal of shape (H, W): streaks of many lengths, `angle` radians off upright, a few of them deep."""
    height, width = shape
    canvas = (int(1.3 * height), int(1.3 * width))
    streaks = np.zeros(canvas, np.float32)
    for length, thickness, weight in STREAKS:
        streaks += weight * _stretched_noise(rng, canvas, length, thickness)
    streaks += 0.14 * _stretched_noise(rng, canvas, 45.0, 0.5) ** 3
    turn = cv2.getRotationMatrix2D((canvas[1] / 2, canvas[0] / 2), np.degrees(angle), 1.0)
    turned = cv2.warpAffine(streaks, turn, canvas[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    return _standard(turned[top : top + height, left : left + width])


def orange_peel(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """The soft dimples of sprayed paint, shape (H, W)."""
    return _standard(smooth_noise(rng, shape, 1.8) + 1.2 * smooth_noise(rng, shape, 4.0))


def _stretched_noise(rng: np.random.Generator, shape: tuple[int, int], along: float, across: float) -> Field:
    """Gaussian noise blurred by `along` pixels down the columns and `across` pixels along the rows.

    Blurs wider than a few pixels are drawn on a coarse grid and enlarged, which costs the same at every width.
    """
    steps = [max(1.0, sigma / 2) for sigma in (along, across)]
    coarse = tuple(int(np.ceil(side / step)) + 4 for side, step in zip(shape, steps, strict=True))
    noise = rng.standard_normal(coarse, dtype=np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), sigmaX=across / steps[1], sigmaY=along / steps[0])
    enlarged = cv2.resize(soft, None, fx=steps[1], fy=steps[0], interpolation=cv2.INTER_CUBIC)
    top, left = int(2 * steps[0]), int(2 * steps[1])
    return _standard(enlarged[top : top + shape[0], left : left + shape[1]])


def _standard(field: NDArray[np.number]) -> Field:
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), np.float32)
