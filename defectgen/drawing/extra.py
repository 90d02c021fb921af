"""Defects that lie on the surface: lumps, drops, burrs and flakes."""

from dataclasses import replace

import cv2
import numpy as np

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import any_shape, filled, softened
from defectgen.drawing.texture import Field, smooth_noise
from defectgen.drawing.tones import coated, pigment


class Extra(Defect):
    """A lump, drop, burr or flake of a tone of its own that stands out from the surface and casts a small shadow."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        body = filled(any_shape(rng, size, least_aspect=0.12), margin=4 + int(0.1 * size))
        rough = smooth_noise(rng, body.shape, rng.uniform(0.6, 2.5))
        cover = rng.uniform(0.7, 1.0) * softened(body, rng.uniform(0, 0.025) * size)
        dome = _dome(body, rng.uniform(0.3, 1.0)) * size * rng.uniform(0.03, 0.25)
        tone = pigment(rng) * np.exp(rng.uniform(0, 0.25) * rough)[..., None]
        shadow = rng.uniform(0, 0.7) * self._shadow(rng, body, size)
        return replace(
            Mark.rest(body.shape),
            relief=dome + rng.uniform(0, 0.3) * cover * rough,
            tint=np.repeat(1 - shadow[..., None], 3, axis=-1),
            gloss=(1 - shadow) * (1 + cover * rng.uniform(-1.0, 2.0)),
            level=cover,
            coat=coated(cover, np.clip(tone, 0, 1)),
        )

    def _shadow(self, rng: np.random.Generator, body: Field, size: float) -> Field:
        """The body's shape, moved to one side and blurred."""
        angle, reach = rng.uniform(0, 2 * np.pi), min(1 + 0.08 * size, 3.5)
        move = np.array([[1, 0, reach * np.cos(angle)], [0, 1, reach * np.sin(angle)]])
        return softened(np.asarray(cv2.warpAffine(body, move, body.shape[::-1]), np.float32), 0.3 * reach)


def _dome(body: Field, steepness: float) -> Field:
    """Height from 0 at the body's outline to 1 at its middle: the steeper, the flatter on top."""
    inside = cv2.distanceTransform((body > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    height = np.clip(inside / (max(float(inside.max()), 1.0) * (1.1 - steepness)), 0, 1)
    return softened(np.sqrt(height * (2 - height)), 0.6)
