"""Elastic changes: small, whole, never the same, and nothing is torn from the border it touches."""

import cv2
import numpy as np
import pytest
from small import disc

from defectgen.imaging.elastic import STEEPEST, deform
from defectgen.imaging.files import Mask

SHAPE = (120, 160)


def crack() -> Mask:
    """A bent line three pixels wide and 120 long."""
    x = np.arange(20, 141)
    points = np.stack([x, 60 + 15 * np.sin(x / 25)], axis=1).round().astype(np.int32)
    return cv2.polylines(np.zeros(SHAPE, np.uint8), [points], False, 1, 3).astype(bool)


def parts(mask: Mask) -> tuple[int, int]:
    """Connected components of the shape and of what is around it."""
    return cv2.connectedComponents(mask.astype(np.uint8))[0], cv2.connectedComponents((~mask).astype(np.uint8))[0]


SHAPES = {"disc": disc(80, 60, 20, SHAPE), "speck": disc(50, 50, 3, SHAPE), "crack": crack()}
SHAPES["ring"] = disc(80, 60, 30, SHAPE) & ~disc(80, 60, 12, SHAPE)
SHAPES["two"] = disc(40, 60, 12, SHAPE) | disc(110, 60, 16, SHAPE)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", range(8))
def test_pieces_holes_and_nearly_the_area_are_kept(name: str, seed: int) -> None:
    changed, margin = deform(SHAPES[name], np.random.default_rng(seed))
    assert parts(changed) == parts(SHAPES[name])
    assert changed.sum() == pytest.approx(SHAPES[name].sum(), rel=STEEPEST)
    assert changed.shape == (SHAPE[0] + 2 * margin, SHAPE[1] + 2 * margin)


def test_the_change_is_small_and_every_seed_has_its_own() -> None:
    same = deform(SHAPES["disc"], np.random.default_rng(3))[0]
    assert np.array_equal(same, deform(SHAPES["disc"], np.random.default_rng(3))[0])
    changed = []
    for seed in range(10):
        wide, margin = deform(SHAPES["disc"], np.random.default_rng(seed))
        changed.append(wide[margin:-margin, margin:-margin])
        common = (changed[-1] & SHAPES["disc"]).sum() / (changed[-1] | SHAPES["disc"]).sum()
        assert 0.75 < common < 1
    assert len({mask.tobytes() for mask in changed}) == 10


@pytest.mark.parametrize("seed", range(10))
def test_what_touches_the_border_still_does(seed: int) -> None:
    chip = np.zeros(SHAPE, bool)
    chip[:18, 60:100] = True
    wide, margin = deform(chip, np.random.default_rng(seed))
    assert wide[margin, margin + 68 : margin + 92].all()
