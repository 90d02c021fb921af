"""Clusters of small spots."""

from dataclasses import replace

import numpy as np

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import discs, softened
from defectgen.drawing.texture import Field
from defectgen.drawing.tones import coated, contrast, pigment, tinted


class Spots(Defect):
    """A handful of small dots, all but touching, each a little darker or brighter, paint or hollow."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        share = softened(_dots(rng, size), rng.uniform(0.1, 0.5))
        painted = rng.uniform(0.4, 1.0) if rng.random() < 0.5 else 0.0
        return replace(
            Mark.rest(share.shape),
            relief=rng.uniform(-0.8, 0.6) * share,
            tint=tinted(share, contrast(rng, 0.25, 1.5)),
            gloss=1 - rng.uniform(0, 0.9) * share,
            coat=coated(painted * share, pigment(rng)),
        )


def _dots(rng: np.random.Generator, size: float) -> Field:
    """Share (h, w) of each pixel that the dots cover: each one grows beside an earlier one."""
    radii = rng.uniform(0.35, 1.0, rng.integers(3 + int(size / 10), 7 + int(size / 3)))
    centres = np.zeros((len(radii), 2))
    for new in range(1, len(radii)):
        old, angle = rng.integers(new), rng.uniform(0, 2 * np.pi)
        distance = (radii[old] + radii[new]) * rng.uniform(0.95, 1.2)
        centres[new] = centres[old] + distance * np.array([np.cos(angle), np.sin(angle)])
    extent = (centres + radii[:, None]).max(0) - (centres - radii[:, None]).min(0)
    scale = size / extent.max()
    return discs(centres * scale, radii * scale, margin=3)
