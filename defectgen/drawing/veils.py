"""Regions whose tone is off while the texture shows through: blobs and bands."""

from dataclasses import replace

import numpy as np
from scipy.special import expit

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import filled, ragged_ellipse, softened, turned_grid
from defectgen.drawing.texture import Field, smooth_noise
from defectgen.drawing.tones import contrast, tinted


class Blob(Defect):
    """A diffuse brighter or darker region without a border, like an uneven coating."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        softness = rng.uniform(0.06, 0.16) * size
        shape = ragged_ellipse(rng, max(size - softness, 3.0), rng.uniform(0.4, 1.0), rng.uniform(0, 0.5))
        share = softened(filled(shape, margin=int(2.2 * softness) + 1), softness)
        return _veil(rng, share, most=0.8)


class Band(Defect):
    """An uneven stripe, brighter or darker than the surface, its sides and ends soft or crisp."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        along, across = turned_grid(rng, int(1.1 * size) + 3, rng.uniform(0.12, 0.7))
        waver = rng.uniform(0, 0.05) * size * smooth_noise(rng, along.shape, size / 5)
        softness = rng.uniform(0.15, 0.8) + rng.uniform(0, 0.06) * size
        reach = size / 2 - np.maximum(np.abs(along), np.abs(across + waver))
        return _veil(rng, expit(4 * reach / softness).astype(np.float32), most=1.0)


def _veil(rng: np.random.Generator, share: Field, most: float) -> Mark:
    """Another tone and gloss over this share of the surface, a little uneven."""
    uneven = np.clip(1 + rng.uniform(0, 0.3) * smooth_noise(rng, share.shape, rng.uniform(1.5, 6.0)), 0, 1.6)
    share = share * uneven
    return replace(
        Mark.rest(share.shape),
        tint=tinted(share, contrast(rng, 0.15, most)),
        gloss=np.clip(1 + rng.uniform(-0.8, 0.8) * share, 0, None),
    )
