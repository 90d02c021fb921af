"""What a defect is: a small change of a surface, drawn at random and laid somewhere on a part.

A defect changes the surface (its relief, colour and gloss), never the picture: light and camera then make it visible,
so the same defect looks different at another exposure.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.light import Surface
from defectgen.drawing.texture import Field

LEAST = 0.4
"""Share of its smallest usual size down to which a defect may shrink to find room."""


LEVELLED = 13
"""Side in pixels of the square over which a levelled texture is averaged."""


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
    shift: Field
    """(h, w, 2) x and y in pixels: first of all a pixel shows what the surface had at pixel + shift; rest 0."""
    level: Field
    """Share of the surface's own texture that is smoothed away, 0 to 1; rest 0."""
    coat: Field
    """(h, w, 4) RGB albedo of something that lies over the finish, and the share that it hides, 0 to 1; rest 0."""

    @classmethod
    def rest(cls, shape: tuple[int, ...]) -> "Mark":
        """Return the mark of `shape` (h, w) that changes nothing, of which a family replaces what it changes."""
        none, all_of_it = np.zeros((*shape, 4), np.float32), np.ones((*shape, 3), np.float32)
        return cls(
            relief=none[..., 0],
            tint=all_of_it,
            bare=none[..., 0],
            gloss=all_of_it[..., 0],
            shift=none[..., :2],
            level=none[..., 0],
            coat=none,
        )

    @property
    def support(self) -> NDArray[np.bool_]:
        """(h, w) where the mark changes the surface noticeably."""
        tinted = np.abs(self.tint - 1).max(-1) > 0.02
        dragged = np.abs(self.shift).max(-1) > 0.1
        hidden = (self.bare > 0.02) | (self.level > 0.02) | (self.coat[..., 3] > 0.02)
        return tinted | dragged | hidden | (np.abs(self.relief) > 0.03) | (np.abs(self.gloss - 1) > 0.05)

    def cut(self, rows: slice, columns: slice) -> "Mark":
        """Return the part of the mark in these rows and columns of its rectangle."""
        return Mark(**{field.name: getattr(self, field.name)[rows, columns] for field in fields(self)})

    def faded(self, share: Field) -> "Mark":
        """Return the mark at this `share` (h, w), 0 to 1, of its strength."""
        return Mark(
            relief=share * self.relief,
            tint=1 + share[..., None] * (self.tint - 1),
            bare=share * self.bare,
            gloss=1 + share * (self.gloss - 1),
            shift=share[..., None] * self.shift,
            level=share * self.level,
            coat=np.dstack([self.coat[..., :3], share * self.coat[..., 3]]),
        )

    def trimmed(self) -> "Mark":
        """Return the mark in the smallest rectangle that holds its support."""
        left, top, width, height = cv2.boundingRect(self.support.astype(np.uint8))
        return self.cut(slice(top, top + height), slice(left, left + width))


class Defect(ABC):
    """A family of defects."""

    sizes: tuple[float, float]
    """Smallest and largest extent in pixels."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        """Draw one defect of about `size` pixels' extent, in a random direction, centred in its rectangle."""

    def place(
        self, rng: np.random.Generator, room: NDArray[np.bool_], size: float | None = None
    ) -> tuple[Mark, tuple[int, int]]:
        """Draw a defect wholly inside `room` (H, W); return it and its rectangle's top left corner (row, column).

        Its extent is `size` pixels, or drawn from the usual sizes. What does not fit anywhere is drawn again a little
        smaller.

        Raises:
            ValueError: even one of LEAST times that size, or times the smallest usual one, finds no room.
        """
        size = rng.uniform(*self.sizes) if size is None else size
        least = LEAST * min(size, self.sizes[0])
        while size > least:
            mark = self.draw(rng, size)
            if (np.array(mark.relief.shape) > room.shape).any():
                mark = mark.trimmed()
            corner = _free_corner(rng, mark.support, room)
            if corner is not None:
                return mark, corner
            size *= 0.93
        raise ValueError(f"no room for a {type(self).__name__.lower()} on the part")


def lay(surface: Surface, mark: Mark, corner: tuple[int, int]) -> Surface:
    """Return `surface` with `mark` on it; the mark's rectangle lies inside the surface."""
    top, left = corner
    here = np.s_[top : top + mark.relief.shape[0], left : left + mark.relief.shape[1]]
    if mark.shift.any():
        surface = _dragged(surface, mark.shift, corner)
    if mark.level.any():
        surface = _levelled(surface, mark.level, here)
    albedo, height, gloss = surface.albedo.copy(), surface.height.copy(), surface.gloss.copy()
    tint, coat = _in_channels(mark.tint, albedo.shape[-1]), _in_channels(mark.coat[..., :3], albedo.shape[-1])
    hidden, bare = mark.coat[..., 3:], mark.bare[..., None]
    finish = albedo[here] * tint * (1 - hidden) + coat * hidden
    albedo[here] = finish * (1 - bare) + np.broadcast_to(surface.substrate, albedo.shape)[here] * bare
    height[here] += mark.relief
    gloss[here] *= mark.gloss
    return replace(surface, albedo=albedo, height=height, gloss=gloss)


def _in_channels(colour: Field, count: int) -> Field:
    return colour if count == 3 else np.asarray(colour.mean(-1, keepdims=True))


def _dragged(surface: Surface, shift: Field, corner: tuple[int, int]) -> Surface:
    """Return `surface` with the rectangle at `corner` taken from where `shift` points."""
    rows, columns = surface.height.shape
    to_y, to_x = np.mgrid[:rows, :columns].astype(np.float32)
    here = np.s_[corner[0] : corner[0] + shift.shape[0], corner[1] : corner[1] + shift.shape[1]]
    from_x, from_y = to_x[here] + shift[..., 0], to_y[here] + shift[..., 1]

    def drag(field: Field) -> Field:
        dragged = field.copy()
        moved = cv2.remap(field, from_x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        dragged[here] = np.asarray(moved).reshape(dragged[here].shape)
        return dragged

    return replace(
        surface,
        albedo=np.clip(drag(surface.albedo), 0, None),
        height=drag(surface.height),
        gloss=np.clip(drag(surface.gloss), 0, None),
        material=np.clip(drag(surface.material), 0, 1),
    )


def _levelled(surface: Surface, share: Field, here: tuple[slice, slice]) -> Surface:
    """Return `surface` whose texture is replaced `here` by its surroundings' mean to the given `share` (h, w)."""

    def level(field: Field) -> Field:
        levelled = field.copy()
        mean = cv2.blur(field, (LEVELLED, LEVELLED), borderType=cv2.BORDER_REFLECT).reshape(field.shape)
        weight = share.reshape(*share.shape, *[1] * (field.ndim - 2))
        levelled[here] += weight * (mean - field)[here]
        return levelled

    return replace(surface, albedo=level(surface.albedo), height=level(surface.height), gloss=level(surface.gloss))


def _free_corner(
    rng: np.random.Generator, support: NDArray[np.bool_], room: NDArray[np.bool_], tries: int = 40
) -> tuple[int, int] | None:
    reach = np.array(room.shape) - support.shape
    if (reach < 0).any() or not support.any():
        return None
    for top, left in rng.integers(0, reach + 1, size=(tries, 2)):
        if room[top : top + support.shape[0], left : left + support.shape[1]][support].all():
            return int(top), int(left)
    return None
