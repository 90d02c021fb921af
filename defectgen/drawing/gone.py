"""Defects where a piece of the surface is gone: chips at an edge and missing material."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import any_shape, filled, polygon, softened
from defectgen.drawing.texture import Field, smooth_noise
from defectgen.drawing.tones import coated, contrast, pigment, tinted

FRAME = 8
"""Pixels from the picture's border within which the room's border is no edge of the part."""
BESIDE = 3.0
"""Pixels from the room's border within which a chip fades out: there the part's edge is."""


class Missing(Defect):
    """A hole with a crisp or ragged outline, a lit or dark rim, and the substrate or a flat dark tone inside."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        gap = softened(filled(any_shape(rng, size), margin=4), rng.uniform(0, 0.03) * size)
        bare = rng.uniform(0.5, 1.0) if rng.random() < 0.4 else 0.0
        return _broken(rng, gap, size, bare, pigment(rng) * rng.uniform(0.05, 0.6))


class Chip(Defect):
    """A crisp piece with corners broken out of the part's edge, or flaked off where no edge is in the picture."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        gap = filled(polygon(rng, size, rng.uniform(0.45, 1.0)), margin=3)
        return _broken(rng, gap, size, bare=1.0, floor=np.zeros(3, np.float32))

    def place(
        self, rng: np.random.Generator, room: NDArray[np.bool_], size: float | None = None
    ) -> tuple[Mark, tuple[int, int]]:
        """Draw a chip centred close to an edge of the part and cut off by it, if one is in the picture."""
        size = rng.uniform(*self.sizes) if size is None else size
        inside = _depth(room)
        at_edge = np.argwhere(np.abs(inside - BESIDE - rng.uniform(0, 0.3) * size) < 1)
        if not len(at_edge):
            return super().place(rng, room, size)
        mark = self.draw(rng, size)
        row, column = at_edge[rng.integers(len(at_edge))] - np.array(mark.relief.shape) // 2
        top, left = max(row, 0), max(column, 0)
        mark = mark.cut(slice(top - row, room.shape[0] - row), slice(left - column, room.shape[1] - column))
        here = np.s_[top : top + mark.relief.shape[0], left : left + mark.relief.shape[1]]
        return mark.faded(np.clip((inside[here] - 1) / (BESIDE - 1), 0, 1)), (int(top), int(left))


def _broken(rng: np.random.Generator, gap: Field, size: float, bare: float, floor: Field) -> Mark:
    """A hole of this shape: rough inside, `floor` under it where the substrate is not `bare`, its rim lit or dark."""
    soft = softened(gap, 0.8)
    rim = 4 * soft * (1 - soft)
    rough = smooth_noise(rng, gap.shape, rng.uniform(0.6, 2.0))
    depth = size * rng.uniform(0.02, 0.12)
    return replace(
        Mark.rest(gap.shape),
        relief=gap * (rng.uniform(0, 0.4) * rough - depth),
        tint=tinted(rng.uniform(0, 0.8) * rim, contrast(rng, 0.2, 1.0)),
        bare=bare * gap,
        gloss=1 - rng.uniform(0.2, 1.0) * gap,
        level=gap,
        coat=coated(gap, floor * np.exp(rng.uniform(0, 0.3) * rough)[..., None]),
    )


def _depth(room: NDArray[np.bool_]) -> Field:
    """Distance (H, W) in pixels from what is not room; far where that is the picture's frame alone."""
    open_room = room.copy()
    open_room[:FRAME] = open_room[-FRAME:] = open_room[:, :FRAME] = open_room[:, -FRAME:] = True
    depth = cv2.distanceTransform(open_room.astype(np.uint8), cv2.DIST_L2, 3)
    return np.where(room, np.asarray(depth, np.float32), np.float32(0))
