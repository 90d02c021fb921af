"""What a defect is: a small change of a surface, drawn at random and laid somewhere on a part.

A defect changes the surface (its relief, colour and gloss), never the picture: light and camera then make it visible,
so the same defect looks different at another exposure.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.light import Surface
from defectgen.drawing.texture import Field

LEAST = 0.4
"""Share of its smallest usual size down to which a defect may shrink to find room."""


@dataclass(frozen=True)
class Mark:
    """A change of a rectangle of surface; all fields are (h, w) and do nothing where they equal their rest value."""

    relief: Field
    """Pixels added to the height; rest 0."""
    tint: Field
    """(h, w, 3) factor on the albedo; rest 1."""
    bare: Field
    """Share of the finish that is gone and shows the substrate, 0 to 1; rest 0."""
    gloss: Field
    """Factor on the gloss; rest 1."""

    @property
    def support(self) -> NDArray[np.bool_]:
        """(h, w) where the mark changes the surface noticeably."""
        tinted = np.abs(self.tint - 1).max(-1) > 0.02
        return tinted | (np.abs(self.relief) > 0.03) | (self.bare > 0.02) | (np.abs(self.gloss - 1) > 0.05)


class Defect(ABC):
    """A family of defects."""

    sizes: tuple[float, float]
    """Smallest and largest extent in pixels."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        """Draw one defect of about `size` pixels' extent, in a random direction, centred in its rectangle."""

    def place(self, rng: np.random.Generator, room: NDArray[np.bool_]) -> tuple[Mark, tuple[int, int]]:
        """Draw a defect wholly inside `room` (H, W); return it and its rectangle's top left corner (row, column).

        What does not fit anywhere is drawn again a little smaller.

        Raises:
            ValueError: even one of LEAST times the smallest size finds no room.
        """
        size = rng.uniform(*self.sizes)
        while size > LEAST * self.sizes[0]:
            mark = self.draw(rng, size)
            corner = _free_corner(rng, mark.support, room)
            if corner is not None:
                return mark, corner
            size *= 0.93
        raise ValueError(f"no room for a {type(self).__name__.lower()} on the part")


def lay(surface: Surface, mark: Mark, corner: tuple[int, int]) -> Surface:
    """Return `surface` with `mark` on it; the mark's rectangle lies inside the surface."""
    top, left = corner
    here = np.s_[top : top + mark.relief.shape[0], left : left + mark.relief.shape[1]]
    albedo, height, gloss = surface.albedo.copy(), surface.height.copy(), surface.gloss.copy()
    tint = mark.tint if albedo.shape[-1] == 3 else mark.tint.mean(-1, keepdims=True)
    bare = mark.bare[..., None]
    albedo[here] = albedo[here] * tint * (1 - bare) + np.array(surface.substrate, np.float32) * bare
    height[here] += mark.relief
    gloss[here] *= mark.gloss
    return replace(surface, albedo=albedo, height=height, gloss=gloss)


def _free_corner(
    rng: np.random.Generator, support: NDArray[np.bool_], room: NDArray[np.bool_], tries: int = 40
) -> tuple[int, int] | None:
    reach = np.array(room.shape) - support.shape
    if (reach < 0).any():
        return None
    for top, left in rng.integers(0, reach + 1, size=(tries, 2)):
        if room[top : top + support.shape[0], left : left + support.shape[1]][support].all():
            return int(top), int(left)
    return None
