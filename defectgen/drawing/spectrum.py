"""Filtered noise: white noise shaped in the Fourier domain, in any direction, at any scale and roughness.

    amplitude(f) = (1 + (2 pi f_along along)^2 + (2 pi f_across across)^2)^(-smoothness / 2)

The Matern family: grains of about `along` by `across` pixels, jagged at smoothness 1.5 and round at 6.
"""

import math
from functools import lru_cache

import cv2
import numpy as np
from scipy import fft

from defectgen.drawing.texture import Field

SEAM = 1.2
"""Side of the drawn square over the picture's: the noise is periodic, and its seam must lie outside the picture."""
LEAST = 4
"""Points along the shortest side that noise is drawn on at least; grains many pixels wide need few."""


def filtered_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    along: float,
    across: float | None = None,
    angle: float = 0.0,
    smoothness: float = 4.0,
) -> Field:
    """Noise of shape (H, W), zero mean and unit deviation, `angle` radians from x; round where `across` is None."""
    across = along if across is None else across
    step = max(1, int(min(min(along, across) * (smoothness - 1) / 6, min(shape) / LEAST)))
    coarse = -(-shape[0] // step) + 1, -(-shape[1] // step) + 1
    field = _periodic(rng, coarse if step > 1 else shape, along / step, across / step, angle, smoothness)
    if step > 1:
        enlarged = cv2.resize(field, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        field = np.asarray(enlarged, np.float32)[step // 2 :, step // 2 :][: shape[0], : shape[1]]
    mean, deviation = (moment.item() for moment in cv2.meanStdDev(field))
    return (field - np.float32(mean)) * np.float32(1 / (deviation + 1e-9))


def _periodic(
    rng: np.random.Generator, shape: tuple[int, int], along: float, across: float, angle: float, smoothness: float
) -> Field:
    canvas, down, right = _frequencies(shape)
    cos, sin = math.cos(angle), math.sin(angle)
    u = right * np.float32(along * cos) + down * np.float32(along * sin)
    v = down * np.float32(across * cos) - right * np.float32(across * sin)
    amplitude = np.exp(np.float32(-smoothness / 2) * np.log(1 + u * u + v * v))
    # Evenly distributed, not normal, for speed: a pixel sums so many waves that the noise is normal all the same.
    waves = (rng.random((*amplitude.shape, 2), dtype=np.float32) - np.float32(0.5)).view(np.complex64)[..., 0]
    return np.asarray(fft.irfft2(waves * amplitude, s=canvas)[: shape[0], : shape[1]])


@lru_cache(maxsize=64)
def _frequencies(shape: tuple[int, int]) -> tuple[tuple[int, int], Field, Field]:
    """The canvas to draw on and its half spectrum's angular frequencies per pixel, down (h, 1) and right (1, w)."""
    height, width = (fft.next_fast_len(int(np.ceil(SEAM * side)), real=True) for side in shape)
    down = 2 * np.pi * fft.fftfreq(height).astype(np.float32)[:, None]
    return (height, width), down, 2 * np.pi * fft.rfftfreq(width).astype(np.float32)[None]
