"""From radiance to an 8-bit picture: lens blur, exposure, tone curve and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.light import Radiance

SHOULDER, GAMMA = 1.5, 0.7
"""Of the tone curve (1 - exp(-SHOULDER x))^GAMMA."""


@dataclass(frozen=True)
class Camera:
    """One exposure of an industrial camera."""

    exposure: float = 1.0
    """Gain on the radiance; 1.0 puts radiance 1 at the white level."""
    blur: float = 0.7
    """Standard deviation of the lens blur in pixels."""
    noise: float = 0.008
    """Standard deviation of the noise at mid grey, as a share of the white level."""

    @staticmethod
    def exposure_for(tone: float, radiance: Radiance) -> float:
        """The exposure that gives the mean of `radiance` (H, W, C) this tone, above 0 and below 1."""
        return float(-np.log1p(-(tone ** (1 / GAMMA))) / (SHOULDER * radiance.mean()))

    def develop(self, radiance: Radiance) -> NDArray[np.float32]:
        """Turn linear radiance (H, W, C) into tones (H, W, C) from 0 to 1, free of noise."""
        sharp = radiance * np.float32(self.exposure)
        soft = cv2.GaussianBlur(sharp, (0, 0), self.blur).reshape(radiance.shape)
        # A shoulder instead of a hard clip: highlights keep some drawing.
        return np.asarray((1.0 - np.exp(-SHOULDER * np.maximum(soft, 0))) ** np.float32(GAMMA), np.float32)

    def grain(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the sensor's noise of one exposure of `shape` (H, W, C), about unit deviation."""
        noise = rng.standard_normal(shape, dtype=np.float32)
        # Noise of a photograph is correlated over a pixel or so by demosaicking and denoising.
        grain = np.float32(0.7) * noise + cv2.GaussianBlur(noise, (0, 0), 0.8).reshape(shape)
        return np.asarray(grain, np.float32)

    def sense(self, tones: NDArray[np.float32], grain: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Add noise to `tones` (H, W, C) and return uint8 of the same shape; equal tones and grain, equal pixels."""
        level = self.noise * (0.6 + 0.8 * tones)
        return np.round(255 * np.clip(tones + level * grain, 0, 1)).astype(np.uint8)
