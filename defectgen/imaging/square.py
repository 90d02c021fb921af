"""Square regions of a picture at native scale, reflect-padded where they leave it, and their small versions."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels

MIN_SIDE = 64
ZOOM = (1.2, 2.0)  # side of a region over the longer side of its defect's box


@dataclass(frozen=True)
class Square:
    """Top left corner (x, y) and side in native pixels; may reach past the picture."""

    x: int
    y: int
    side: int

    @classmethod
    def around(cls, box: tuple[int, int, int, int], shape: tuple[int, int], rng: np.random.Generator) -> "Square":
        """A square about a box (x, y, w, h) of a picture of (height, width), the box anywhere inside it.

        Its side is max(64, 1.2 to 2.0 times the box's longer side). It is moved into the picture where it fits, so
        that only what exceeds the picture is reflected.
        """
        x, y, w, h = box
        side = max(MIN_SIDE, round(max(w, h) * rng.uniform(*ZOOM)))
        spare_x, spare_y = (side - w) * rng.uniform(0.25, 0.75), (side - h) * rng.uniform(0.25, 0.75)
        return cls(_moved_in(x - spare_x, side, shape[1]), _moved_in(y - spare_y, side, shape[0]), side)

    def cut(self, pixels: NDArray) -> NDArray:
        """The (side, side[, 3]) region of a picture or mask, reflected where it leaves the picture."""
        rows = reflected(np.arange(self.y, self.y + self.side), pixels.shape[0])
        columns = reflected(np.arange(self.x, self.x + self.side), pixels.shape[1])
        return pixels[np.ix_(rows, columns)]

    def inside(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where square and picture overlap: slices of the picture, slices of the square."""
        top, left = max(0, self.y), max(0, self.x)
        bottom, right = min(shape[0], self.y + self.side), min(shape[1], self.x + self.side)
        picture = (slice(top, bottom), slice(left, right))
        return picture, (slice(top - self.y, bottom - self.y), slice(left - self.x, right - self.x))

    def allowed(self, shape: tuple[int, ...], legal: Mask | None) -> Mask:
        """Where in the square (side, side) a defect may lie on a picture of that shape; None: wherever it shows it."""
        place, inside = self.inside(shape)
        allowed = np.zeros((self.side, self.side), bool)
        allowed[inside] = True if legal is None else legal[place]
        return allowed


def _moved_in(start: float, side: int, size: int) -> int:
    return round(min(max(start, min(0, size - side)), max(0, size - side)))


def reflected(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices outside 0..size-1 mirrored back inside, the edge pixel not repeated, however far outside they are."""
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    return (size - 1) - np.abs(index % period - (size - 1))


def shrink(pixels: Pixels, size: int) -> Pixels:
    """A square picture at `size` pixels: area averages down, cubic up."""
    how = cv2.INTER_AREA if pixels.shape[0] >= size else cv2.INTER_CUBIC
    return cv2.resize(pixels, (size, size), interpolation=how)


def shrink_mask(mask: Mask, size: int) -> Mask:
    """A square mask at `size` pixels; a pixel is defect if a quarter of it is, so that thin lines survive.

    Where nothing next to it reaches a quarter, a touched pixel counts too: no part of a mask is lost beside another.
    """
    share = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    small = share >= 0.25
    return small | ((share > 0) & ~cv2.dilate(small.astype(np.uint8), np.ones((3, 3))).astype(bool))
