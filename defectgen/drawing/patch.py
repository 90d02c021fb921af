"""Patches of another texture."""

from dataclasses import replace

import numpy as np

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import any_shape, filled, softened
from defectgen.drawing.texture import Field, smooth_noise
from defectgen.drawing.tones import coated, contrast, pigment, tinted


class Patch(Defect):
    """A piece with an outline where the surface's texture gives way to another one: grain, streaks or a grating."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        share = softened(filled(any_shape(rng, size), margin=3), rng.uniform(0, 0.05) * size)
        texture = _texture(rng, share.shape)
        drawing = np.exp(rng.uniform(0.05, 0.5) * texture)[..., None]
        painted = rng.uniform(0.3, 1.0) if rng.random() < 0.5 else 0.0
        return replace(
            Mark.rest(share.shape),
            relief=rng.uniform(0, 0.4) * share * texture,
            tint=tinted(share, contrast(rng, 0.05, 1.0) * drawing),
            gloss=np.clip(1 + share * rng.uniform(-1.0, 1.5), 0, None),
            level=share,
            coat=coated(painted * share, np.clip(pigment(rng) * drawing, 0, 1)),
        )


def _texture(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Grain of any size, or streaks or a grating in any direction, of about unit standard deviation."""
    rows, columns = shape
    if rng.random() < 0.5:
        return smooth_noise(rng, (rows, columns), np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
    y, x = np.mgrid[:rows, :columns]
    heading = rng.uniform(0, np.pi)
    across = x * np.cos(heading) + y * np.sin(heading)
    if rng.random() < 0.4:
        return np.asarray(1.4 * np.sin(2 * np.pi * across / rng.uniform(2.5, 8.0)), np.float32)
    profile = smooth_noise(rng, (1, 4 * (rows + columns)), rng.uniform(1.0, 4.0))[0]
    return profile[np.round(2 * (across + columns)).astype(int)]
