"""A brushed metal plate that fills a grey picture."""

import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.light import Lamp, Radiance, Surface, shade
from defectgen.drawing.product import Product
from defectgen.drawing.texture import brushed, smooth_noise

SMALLEST = 96
MARGIN = 5
"""Pixels between a defect and the picture's border."""


class BrushedPlate(Product):
    """Grey pictures (size, size) of brushed metal under uneven light."""

    def __init__(self, size: int = 256) -> None:
        if size < SMALLEST:
            raise ValueError(f"BrushedPlate.size: {size} leaves no room for defects; use {SMALLEST} or more")
        self.size = size

    def surface(self, rng: np.random.Generator) -> Surface:
        shape = (self.size, self.size)
        streaks = brushed(rng, shape, angle=rng.normal(0, 0.025))
        haze = smooth_noise(rng, shape, 40)
        grain = smooth_noise(rng, shape, 0.6)
        albedo = rng.uniform(0.3, 0.38) * np.exp(0.15 * streaks + 0.08 * haze + 0.06 * grain)
        gloss = 0.30 * np.exp(0.45 * streaks + 0.15 * haze + 0.08 * grain)
        height = rng.uniform(0.05, 0.08) * streaks + 0.02 * grain
        return Surface(
            albedo=albedo[..., None].astype(np.float32),
            height=height.astype(np.float32),
            gloss=gloss.astype(np.float32),
            substrate=np.ones(1, np.float32),
            material=np.ones(shape, np.float32),
            shininess=22.0,
        )

    def room(self, surface: Surface) -> NDArray[np.bool_]:
        inner = np.ones((self.size - 2 * MARGIN, self.size - 2 * MARGIN), bool)
        return np.pad(inner, MARGIN)

    def render(self, surface: Surface, rng: np.random.Generator) -> tuple[Radiance, NDArray[np.bool_]]:
        side = rng.choice([-1, 1])
        lamps = (
            Lamp(x=side * rng.uniform(0.3, 0.8), y=rng.uniform(-0.9, -0.3), z=rng.uniform(0.8, 1.1), power=0.75),
            Lamp(x=-side * rng.uniform(0.1, 0.7), y=rng.uniform(0.2, 0.9), z=rng.uniform(0.6, 1.0), power=0.25),
        )
        radiance = shade(surface, lamps, ambient=0.12) * self._unevenness(rng)
        return radiance, np.ones(radiance.shape[:2], bool)

    def _unevenness(self, rng: np.random.Generator) -> Radiance:
        """Soft reflections of the surroundings, some of them in bands along the brush, as a factor (size, size, 1)."""
        broad = smooth_noise(rng, (self.size, self.size), self.size / 3)
        bands = smooth_noise(rng, (1, self.size), self.size / 10)
        return np.exp(0.12 * broad + 0.10 * bands)[..., None].astype(np.float32)
