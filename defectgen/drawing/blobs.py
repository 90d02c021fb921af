"""Defects drawn around a point: pits and stains."""

from dataclasses import replace

import numpy as np

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import turned_grid
from defectgen.drawing.texture import Field, smooth_noise

STAINS = ((0.55, 0.55, 0.55), (0.72, 0.58, 0.42), (0.5, 0.46, 0.42), (0.62, 0.66, 0.7))
"""Albedo factors, RGB, at full strength: soot, rust water, oil, cleaning agent."""


class Pit(Defect):
    """A small round crater: a dark hollow inside a raised rim that catches the light on one side."""

    sizes = (13.0, 30.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        radius = self._radius(rng, size)
        hollow = 1 / (1 + np.exp(9 * (radius - 0.72)))
        rim = np.exp(-(((radius - 0.95) / 0.17) ** 2))
        floor = 1 - rng.uniform(0.55, 0.8) * hollow
        depth = size * rng.uniform(0.12, 0.2)
        return replace(
            Mark.rest(radius.shape),
            relief=(depth * (0.45 * rim - hollow)).astype(np.float32),
            tint=np.repeat((floor * (1 + 0.2 * rim))[..., None], 3, axis=-1).astype(np.float32),
            bare=(rng.uniform(0.1, 0.5) * rim).astype(np.float32),
            gloss=(1 - 0.8 * hollow).astype(np.float32),
        )

    def _radius(self, rng: np.random.Generator, size: float) -> Field:
        """Distance from the centre in radii, of a slightly dented ellipse."""
        x, y = turned_grid(rng, int(1.6 * size), rng.uniform(0.75, 1.0))
        dents = 0.06 * smooth_noise(rng, x.shape, size / 6)
        return (np.hypot(x, y) / (size / 2) * (1 + dents)).astype(np.float32)


class Stain(Defect):
    """A soft irregular blotch of another tone, dried darker along its border; the surface shows through."""

    sizes = (28.0, 78.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        level = self._level(rng, size)
        softness = rng.uniform(0.25, 0.5)
        cover = np.clip(level / softness, 0, 1) ** 2 * (3 - 2 * np.clip(level / softness, 0, 1))
        border = cover * np.exp(-(((level - softness) / (0.5 * softness)) ** 2))
        cloud = np.clip(0.85 + 0.15 * smooth_noise(rng, level.shape, size / 9), 0.4, 1.2)
        alpha = np.clip((rng.uniform(0.7, 0.95) * cover + rng.uniform(0.1, 0.4) * border) * cloud, 0, 1)
        colour = np.array(STAINS[rng.integers(len(STAINS))]) ** rng.uniform(0.8, 1.5)
        return replace(
            Mark.rest(level.shape),
            tint=(1 - alpha[..., None] * (1 - colour)).astype(np.float32),
            gloss=(1 - 0.6 * alpha).astype(np.float32),
        )

    def _level(self, rng: np.random.Generator, size: float) -> Field:
        """Height above the blotch's waterline, about 1 at the centre and negative outside."""
        x, y = turned_grid(rng, int(1.5 * size), rng.uniform(0.55, 1.0))
        radius = np.hypot(x, y) / (size / 2)
        ragged = 0.3 * smooth_noise(rng, x.shape, size / 7) + 0.1 * smooth_noise(rng, x.shape, size / 18)
        fade = np.clip((1.4 - radius) / 0.3, 0, 1)
        return np.where(fade > 0, 1 - radius + ragged * fade, -1).astype(np.float32)
