"""Rust and other rough growths on a surface."""

from dataclasses import replace

import numpy as np

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import turned_grid
from defectgen.drawing.texture import smooth_noise
from defectgen.drawing.tones import Colour, coated, pigment, tinted


class Rust(Defect):
    """A cluster of rough speckles, brown, dark or pale, grown together in the middle, in a faint halo."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        x, y = turned_grid(rng, int(1.15 * size) + 2, rng.uniform(0.4, 1.0))
        patchy = smooth_noise(rng, x.shape, size / 7)
        speckle = smooth_noise(rng, x.shape, rng.uniform(0.5, 0.9) + size / 60)
        radius = np.hypot(x, y) / (size / 2)
        within = np.clip((1.1 - radius) / 0.2, 0, 1)
        level = within * (1.0 - 0.9 * radius + 0.3 * patchy)
        grown = np.clip(rng.uniform(1.5, 4.0) * (level + 0.4 * within * speckle - rng.uniform(0.1, 0.4)), 0, 1)
        cover = (rng.uniform(0.4, 1.0) * grown).astype(np.float32)
        halo = (rng.uniform(0.1, 0.5) * np.clip(2 * level, 0, 1)).astype(np.float32)
        colour = _rusty(rng)
        mottled = colour * np.exp(rng.uniform(0.1, 0.5) * smooth_noise(rng, x.shape, 0.8))[..., None]
        return replace(
            Mark.rest(x.shape),
            relief=rng.uniform(0.1, 0.8) * cover * (1 + speckle),
            tint=tinted(halo, colour / colour.max()),
            gloss=(1 - halo) * (1 - 0.9 * cover),
            level=0.8 * cover,
            coat=coated(cover, np.clip(mottled, 0, 1)),
        )


def _rusty(rng: np.random.Generator) -> Colour:
    """Two out of three times a brown, otherwise any dark tone or, seldom, any tone at all."""
    if rng.random() < 0.65:
        brown = np.array([rng.uniform(0.12, 0.5), 0, 0])
        brown[1] = brown[0] * rng.uniform(0.35, 0.65)
        brown[2] = brown[1] * rng.uniform(0.2, 0.7)
        return brown.astype(np.float32)
    return pigment(rng) * np.float32(rng.choice([0.25, 1.0]))
