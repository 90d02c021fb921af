"""From radiance to an 8-bit picture: lens blur, exposure, tone curve and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.light import Radiance


@dataclass(frozen=True)
class Camera:
    """One exposure of an industrial camera."""

    exposure: float = 1.0
    """Gain on the radiance; 1.0 puts radiance 1 at the white level."""
    blur: float = 0.7
    """Standard deviation of the lens blur in pixels."""
    noise: float = 0.008
    """Standard deviation of the noise at mid grey, as a share of the white level."""

    def develop(self, radiance: Radiance) -> NDArray[np.float32]:
        """Turn linear radiance (H, W, C) into tones (H, W, C) from 0 to 1, free of noise."""
        sharp = radiance * np.float32(self.exposure)
        soft = cv2.GaussianBlur(sharp, (0, 0), self.blur).reshape(radiance.shape)
        # A shoulder instead of a hard clip: highlights keep some drawing.
        return (1.0 - np.exp(-1.5 * np.clip(soft, 0, None))) ** np.float32(0.7)

    def sense(self, tones: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Add sensor noise to `tones` (H, W, C) and return uint8 of the same shape; equal tones give equal pixels."""
        noise = rng.standard_normal(tones.shape, dtype=np.float32)
        # Noise of a photograph is correlated over a pixel or so by demosaicking and denoising.
        noise = 0.7 * noise + cv2.GaussianBlur(noise, (0, 0), 0.8).reshape(tones.shape)
        level = self.noise * (0.6 + 0.8 * tones)
        return np.round(255 * np.clip(tones + level * noise, 0, 1)).astype(np.uint8)
