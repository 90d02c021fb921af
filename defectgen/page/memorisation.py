"""Memorisation on the page: how many generated defects are copies, and those most like a training defect beside it.

Here the pictures are the worst there are, not drawn by lot: where none of these is a copy, none is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from defectgen.imaging.sheet import Rgb
from defectgen.imaging.square import Square
from defectgen.page.tiles import SHAPE, tile
from defectgen.quality.drawn import Drawn
from defectgen.quality.memorisation import CopyRate, Memorisation, Pair

PAIRS = 12
COLUMNS = ["generated", "its shape", "nearest training", "its shape"]


@dataclass(frozen=True)
class PairShown:
    """A defect and the training defect most like it: pictures in the order of COLUMNS."""

    pictures: list[Rgb]
    note: str


@dataclass(frozen=True)
class CopiesShown:
    """What the template fills in. rates, caught: rows of the tables; pairs, leaks: the most alike first."""

    limit: float
    rates: list[CopyRate]
    caught: list[CopyRate]
    pairs: list[PairShown]
    leaks: list[PairShown]


def shown(
    found: Memorisation, training: Sequence[Drawn], held_out: Sequence[Drawn], drawn: Sequence[Drawn]
) -> CopiesShown:
    """The lists are those that `memorisation` was given."""
    pairs = [_pair(pair, drawn, training) for pair in found.pairs[:PAIRS] if pair.nearest >= 0]
    leaks = [_pair(pair, held_out, training) for pair in found.leaks[:PAIRS]]
    return CopiesShown(found.limit, found.rates, found.caught, pairs, leaks)


def _pair(pair: Pair, drawn: Sequence[Drawn], training: Sequence[Drawn]) -> PairShown:
    one, other = drawn[pair.number], training[pair.nearest]
    names = one.label_name if one.label_name == other.label_name else f"{one.label_name} / {other.label_name}"
    return PairShown([*_tiles(one), *_tiles(other)], f"{pair.score:.2f}\n{names}")


def _tiles(drawn: Drawn) -> list[Rgb]:
    """The surroundings of a shape, as large as it, without and with its outline."""
    x, y, width, height = cv2.boundingRect(drawn.shape.astype(np.uint8))
    side = max(16, round(1.5 * max(width, height)))
    square = Square(x + (width - side) // 2, y + (height - side) // 2, side)
    picture = square.cut(drawn.result)
    return [tile(picture), tile(picture, (square.cut(drawn.shape), SHAPE))]
