"""Distances in masks: the true ones, and the same ones every time."""

import numpy as np

from defectgen.imaging.distance import to_outside

ROWS, COLUMNS = np.indices((96, 96))
DISC = np.hypot(ROWS - 40, COLUMNS - 50) < 35


def test_it_is_the_distance_to_the_nearest_pixel_outside() -> None:
    rows, columns = np.indices((23, 40))
    mask = np.random.default_rng(0).random(rows.shape) < 0.98
    each = [np.hypot(rows - row, columns - column) for row, column in np.argwhere(~mask)]
    np.testing.assert_array_equal(to_outside(mask), np.min(each, axis=0).astype(np.float32))


def test_it_is_the_same_to_the_last_bit_wherever_in_memory_it_is_made() -> None:
    """As OpenCV's exact transform is not: about half of these differ."""
    kept: list[np.ndarray] = []
    seen = set()
    for number in range(100):
        kept = [*kept[-6:], np.ones(number * 997 + 1, np.uint8)]
        seen.add(to_outside(DISC).tobytes())
    assert len(seen) == 1


def test_without_an_outside_it_is_farther_than_any_pixel_and_still_a_number() -> None:
    everywhere = to_outside(np.ones((3, 4), bool))
    assert everywhere.dtype == np.float32 and (everywhere == 5).all()
