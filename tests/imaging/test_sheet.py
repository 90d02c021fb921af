"""Contact sheets show what is there, in its place."""

import numpy as np
import pytest
from small import disc, picture

from defectgen.imaging.region import grow
from defectgen.imaging.sheet import GAP, RED, outlined, sheet, to_rgb


def test_every_kind_of_picture_is_shown_in_8_bit_colour() -> None:
    grey, deep, colour = picture(0), picture(0, depth=16), picture(0, channels=3)
    assert np.array_equal(to_rgb(grey), np.dstack([grey] * 3))
    assert np.array_equal(to_rgb(deep)[..., 1], deep // 256)
    assert np.array_equal(to_rgb(colour), colour)
    assert to_rgb(picture(0, channels=3, depth=16)).dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 3])
def test_the_outline_is_drawn_on_a_copy(channels: int) -> None:
    pixels, mask = picture(0, channels=channels), disc(30, 20, 8)
    before = pixels.copy()
    drawn = outlined(pixels, mask)
    changed = (drawn != to_rgb(pixels)).any(axis=2)
    edge = grow(mask, 1.5) & grow(~mask, 1.5)
    assert changed.any() and edge[changed].all()
    assert (drawn[changed] == RED).all()
    assert np.array_equal(pixels, before)
    assert np.array_equal(outlined(pixels, np.zeros_like(mask)), to_rgb(pixels))


@pytest.mark.parametrize("names", [(), ("good", "crack")])
@pytest.mark.parametrize("columns", [(), ("a", "b", "c")])
def test_pictures_stand_in_rows(names: tuple[str, ...], columns: tuple[str, ...]) -> None:
    rows = [[to_rgb(picture(10 * line + place, (32, 32))) for place in range(2 + line)] for line in range(2)]
    drawn = sheet(rows, names, columns, cell=32)
    left, top = drawn.shape[1] - 3 * (32 + GAP), drawn.shape[0] - 2 * (32 + GAP)
    assert (left > 0) == bool(names) and (top > 0) == bool(columns)
    for line, row in enumerate(rows):
        for place, shown in enumerate(row):
            y, x = top + line * (32 + GAP), left + place * (32 + GAP)
            assert np.array_equal(drawn[y : y + 32, x : x + 32], shown)
    assert (drawn[top : top + 32, left + 2 * (32 + GAP) :] == 255).all()  # the first row is shorter
    margin = drawn.copy()
    margin[top:, left:] = 255
    assert (margin < 255).any() == bool(names or columns)  # somebody wrote there


def test_small_pictures_are_enlarged_by_whole_pixels_and_large_ones_averaged() -> None:
    small = to_rgb(picture(0, (16, 16)))
    assert np.array_equal(sheet([[small]], cell=32)[:32, :32], small.repeat(2, axis=0).repeat(2, axis=1))
    large = to_rgb(picture(1, (64, 64)))
    wanted = large.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(sheet([[large]], cell=32)[:32, :32] - wanted).max() <= 1


def test_a_class_without_pictures_keeps_its_row() -> None:
    drawn = sheet([[], [to_rgb(picture(0, (32, 32)))]], ["none", "one"], cell=32)
    assert drawn.shape[0] == 2 * (32 + GAP) and (drawn[:32, -34:] == 255).all()
