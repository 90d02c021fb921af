"""A procedural anomaly is always there, visible, in its place, and labelled to the pixel."""

import numpy as np
import pytest

from defectgen.imaging.files import to_float
from defectgen.imaging.square import Square
from defectgen.utility.perlin import AREA, FEWEST, FULLEST, anomaly
from tests.small import disc, picture

SHAPE = (150, 180)
SEEDS = range(12)


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (1, 16), (3, 16)])
@pytest.mark.parametrize("other", [(150, 180), (30, 400)])
def test_what_is_labelled_has_changed_and_nothing_else(channels: int, depth: int, other: tuple[int, int]) -> None:
    clean = picture(0, SHAPE, channels, depth) // 8 + 2 ** (depth - 2)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        square, foreign = Square(70, 40, 64), picture(seed, other, channels, 24 - depth)  # of the other depth
        drawn, mask = anomaly(clean, foreign, square, disc(100, 70, 9, SHAPE), None, rng)
        assert drawn.dtype == clean.dtype and mask.any()
        moved = (drawn != clean).any(axis=2) if channels == 3 else drawn != clean
        assert not (moved & ~mask).any()
        assert (moved & mask).sum() > 0.9 * mask.sum()
        difference = (to_float(drawn) - to_float(clean))[:, mask]
        assert abs(difference.mean()) > 0.08  # a whole patch brighter or darker can be seen


def test_it_lies_in_the_square_about_the_planned_place_with_about_the_planned_area() -> None:
    clean, shape = np.full(SHAPE, 90, np.uint8), disc(100, 70, 12, SHAPE)
    centres, areas = [], []
    for seed in SEEDS:
        _, mask = anomaly(clean, picture(seed), Square(60, 30, 80), shape, None, np.random.default_rng(seed))
        assert not mask[:30].any() and not mask[110:].any() and not mask[:, :60].any() and not mask[:, 140:].any()
        centres.append(np.argwhere(mask).mean(axis=0))
        areas.append(mask.sum() / shape.sum())
    assert np.allclose(np.mean(centres, axis=0), [70, 100], atol=10)
    assert min(areas) > AREA[0] - 0.01 and max(areas) < AREA[1] + 0.01 and np.ptp(areas) > 0.5


def test_it_keeps_to_the_legal_region_and_to_the_picture() -> None:
    clean = np.full(SHAPE, 90, np.uint8)
    legal = np.zeros(SHAPE, bool)
    legal[:, :20] = True
    shape = disc(5, 5, 12, SHAPE) & legal
    for seed in SEEDS:
        square = Square(-20, -30, 64)  # reaches out of the picture
        _, mask = anomaly(clean, picture(seed), square, shape, legal, np.random.default_rng(seed))
        assert mask.any() and not (mask & ~legal).any()


def test_neither_a_tiny_nor_a_huge_shape_makes_nothing_or_everything() -> None:
    clean = np.full(SHAPE, 90, np.uint8)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        _, tiny = anomaly(clean, picture(seed), Square(70, 40, 64), disc(100, 70, 0, SHAPE), None, rng)
        _, huge = anomaly(clean, picture(seed), Square(0, 0, 180), np.ones(SHAPE, bool), None, rng)
        assert tiny.sum() == FEWEST
        assert huge.mean() <= FULLEST + 0.01


def test_the_same_seed_draws_the_same_anomaly() -> None:
    clean, shape = picture(0, SHAPE), disc(100, 70, 9, SHAPE)
    first, again, other = (
        anomaly(clean, picture(1), Square(70, 40, 64), shape, None, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
