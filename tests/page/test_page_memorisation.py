"""The page's pairs: the most alike first, each beside the training defect it is like."""

import numpy as np

from defectgen.page.memorisation import COLUMNS, PAIRS, shown
from defectgen.page.tiles import TILE
from defectgen.quality.drawn import Drawn
from defectgen.quality.memorisation import CopyRate, Memorisation, Pair


def drawn(label: str, level: int, channels: int) -> Drawn:
    shape = np.zeros((40, 40), bool)
    shape[18:22, 10:30] = True
    size = shape.shape if channels == 1 else (*shape.shape, channels)
    pixels = np.full(size, level, np.uint8)
    return Drawn(label, "part", pixels, pixels, shape, shape, shape.astype(np.float32), shape, np.ones_like(shape))


def test_each_pair_shows_both_pictures_with_and_without_their_shapes() -> None:
    training = [drawn("pit", 50, 1), drawn("crack", 90, 1)]
    generated = [drawn("pit", 130 + number, 3) for number in range(PAIRS + 4)]
    pairs = [Pair(number, 1, 0.9 - number / 100) for number in range(PAIRS + 3)]
    rate = CopyRate.counted("generated", [0.1, 0.9], 0.5)
    found = Memorisation(0.5, [rate], [rate], pairs, [Pair(0, 0, 0.7)])
    made = shown(found, training, generated[:1], generated)
    assert len(made.pairs) == PAIRS
    assert made.pairs[0].note == "0.90\npit / crack"
    assert made.leaks[0].note == "0.70\npit"
    assert len(made.pairs[0].pictures) == len(COLUMNS)
    assert all(picture.shape == (TILE, TILE, 3) for picture in made.pairs[0].pictures)
    assert [int(np.median(picture)) for picture in made.pairs[2].pictures] == [132, 132, 90, 90]
    plain, outlined = made.pairs[0].pictures[:2]
    assert (plain != outlined).any()
    alone = Memorisation(0.5, [rate], [], [Pair(0, -1, -1.0)], [])
    assert shown(alone, training, [], generated).pairs == []
