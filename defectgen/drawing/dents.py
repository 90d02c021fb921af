"""Dents: the relief alone is changed, so that only light and shade show them."""

from dataclasses import replace

import numpy as np

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import turned_grid
from defectgen.drawing.texture import Field, smooth_noise


class Dent(Defect):
    """A bowl or a ridge, pressed in or raised, with shading on its slopes and no tone of its own."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        aspect = rng.uniform(0.12, 0.3) if rng.random() < 0.4 else rng.uniform(0.5, 1.0)
        x, y = turned_grid(rng, int(1.15 * size) + 2, aspect)
        curved = y + rng.uniform(-0.4, 0.4) / aspect * (x**2 / size - size / 12)
        wobble = 1 + 0.1 * smooth_noise(rng, x.shape, size / 5)
        profile = _profile(rng, np.hypot(x, curved) / (size / 2) * wobble)
        slope = np.exp(rng.uniform(np.log(0.3), np.log(1.3))) * rng.choice([-1, -1, 1])
        return replace(Mark.rest(x.shape), relief=(0.4 * slope * aspect * size * profile).astype(np.float32))


def _profile(rng: np.random.Generator, radius: Field) -> Field:
    """Height against the distance from the centre in radii: round, flat at the bottom, or with a raised rim."""
    flatness = rng.uniform(1.0, 3.0)
    bowl = np.exp(-2.5 * radius ** (2 * flatness))
    rim = rng.uniform(0, 0.3) * np.exp(-(((radius - 0.95) / 0.2) ** 2))
    return np.asarray(bowl - rim)
