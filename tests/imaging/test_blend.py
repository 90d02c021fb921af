"""The composite: nothing changes outside the region, at any depth and channel count; what was drawn shows no seam."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from defectgen.imaging.blend import FEATHER, blend_weight, composite, reached
from defectgen.imaging.files import Mask, Pixels, from_float, to_float
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import shrink, shrink_mask

pytestmark = pytest.mark.filterwarnings("error")

DTYPE = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
CHANNELS = pytest.mark.parametrize("channels", [1, 3])
SIZE = pytest.mark.parametrize("size", [64, 256])
SIDE = pytest.mark.parametrize("side", [64, 96, 97, 200, 257, 300, 513])
DRAWN = pytest.mark.parametrize(("size", "side"), [(64, 64), (64, 96), (256, 97), (256, 256), (256, 300), (256, 513)])
"""Pixels a side at which squares are drawn, and native sides that are."""


def texture(side: int, dtype: type = np.uint8, channels: int = 1) -> Pixels:
    """Streaks, clouds and grain, far from black and white."""
    rng = np.random.default_rng(side)
    noise = rng.normal(0, 1, (3, side, side)).astype(np.float32)
    streaks, clouds = cv2.GaussianBlur(noise[0], (1, 31), 0), cv2.GaussianBlur(noise[1], (0, 0), side / 30)
    plane = 0.05 * streaks / streaks.std() + 0.05 * clouds / clouds.std() + 0.03 * noise[2]
    tints = np.array([0.0, 0.05, -0.1], np.float32)[:channels]
    return from_float(np.clip(plane + tints[:, None, None], -0.4, 0.4), np.dtype(dtype))


def any_pixels(side: int, dtype: type, channels: int) -> Pixels:
    """Noise from black to white."""
    size = (side, side) if channels == 1 else (side, side, channels)
    return np.random.default_rng(side).integers(0, np.iinfo(dtype).max, size, dtype, endpoint=True)


def rounded(side: int, radius: float) -> NDArray[np.float32]:
    """A sharp spot of 1 in the middle, its radius as a share of the side, on 0: (side, side)."""
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    return (np.hypot(x, y) < radius).astype(np.float32)


def ramp(side: int) -> NDArray[np.float32]:
    """A brightness from -0.05 to 0.35 across the square and down: (side, side)."""
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    return np.float32(0.15) + (0.2 * x - 0.2 * y).astype(np.float32)


def part(rows: slice, columns: slice) -> Mask:
    """A rectangle at 64 px."""
    region = np.zeros((64, 64), bool)
    region[rows, columns] = True
    return region


DISK = rounded(64, 0.3) > 0


def within(region: Mask, size: int) -> NDArray[np.float32]:
    """1 where a network drawing at `size` pixels draws: elsewhere it gives what it saw."""
    return region.repeat(size // 64, axis=0).repeat(size // 64, axis=1).astype(np.float32)


def drawn_into(clean: Pixels, change: NDArray[np.float32], region: Mask = DISK) -> tuple[Pixels, Mask]:
    """The composite of a change (N, N) or (C, N, N), and its support."""
    seen = to_float(shrink(clean, change.shape[-1]))
    result = composite(clean, seen, (seen + change).astype(np.float32), region)
    return result, reached(region, len(clean))


def difference(clean: Pixels, result: Pixels) -> NDArray[np.float32]:
    """(S, S) of the first channel, in units of [-1, 1]."""
    return (to_float(result) - to_float(clean))[0]


def coarsest_weight(region: Mask, side: int) -> NDArray[np.float32]:
    """The softest fade there is, at native size."""
    return np.asarray(cv2.resize(blend_weight(region, 64), (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


@DTYPE
@CHANNELS
@SIZE
@SIDE
def test_outside_the_support_every_pixel_is_bit_identical(dtype: type, channels: int, size: int, side: int) -> None:
    clean = any_pixels(side, dtype, channels)
    drawn = np.random.default_rng(1).uniform(-1, 1, (channels, size, size)).astype(np.float32)
    result, support = composite(clean, to_float(shrink(clean, size)), drawn, DISK), reached(DISK, side)
    assert result.dtype == clean.dtype and result.shape == clean.shape
    assert np.array_equal(result[~support], clean[~support])
    deep = coarsest_weight(DISK, side) == 1
    assert (result[deep] != clean[deep]).mean() > 0.9


@DTYPE
@CHANNELS
@SIZE
@SIDE
def test_drawing_what_was_seen_gives_the_clean_picture(dtype: type, channels: int, size: int, side: int) -> None:
    clean = any_pixels(side, dtype, channels)
    result, _ = drawn_into(clean, np.zeros((channels, size, size), np.float32))
    assert result.dtype == clean.dtype and np.array_equal(result, clean)


@SIDE
def test_the_support_is_the_region_at_native_size(side: int) -> None:
    _, support = drawn_into(texture(side), np.zeros((64, 64), np.float32), part(np.s_[16:48], np.s_[16:40]))
    unit, middles = side / 64, np.arange(side) + 0.5
    down, across = ((middles > 16 * unit) & (middles < end * unit) for end in (48, 40))
    about = np.ones((2 * int(np.ceil(unit / 4)) + 1,) * 2)  # corners are rounded, by a part of a pixel at 64 px
    wide = cv2.dilate(support.astype(np.uint8), about).astype(bool)
    narrow = cv2.erode(support.astype(np.uint8), about).astype(bool)
    region = np.logical_and.outer(down, across)
    assert (wide | ~region).all() and (region | ~narrow).all()


@SIZE
def test_a_band_fades_in_over_as_many_of_its_own_pixels(size: int) -> None:
    start = size // 4
    fade = blend_weight(part(np.s_[16:48], np.s_[16:48]), size)[size // 2, start - 1 : start + 2 * int(FEATHER)]
    assert fade[0] == 0 and fade[1] > 0 and (np.diff(fade) >= 0).all()
    assert fade[int(FEATHER)] < 1 and (fade[int(FEATHER) + 1 :] == 1).all()


def test_a_region_cut_by_the_squares_edge_does_not_fade_there() -> None:
    weight = blend_weight(part(np.s_[:20], np.s_[20:40]), 64)
    assert weight[0, 30] == 1 and 0 < weight[0, 20] < 0.1


@CHANNELS
@DRAWN
@pytest.mark.parametrize("pasted", [True, False])
def test_a_wrong_brightness_leaves_hardly_a_trace(channels: int, size: int, side: int, pasted: bool) -> None:
    """Grey levels of 8 bits. The networks paste what they saw outside the region, so it is the region's alone."""
    clean = texture(side, np.uint16, channels)
    tints = np.array([1, -0.5, 0.7], np.float32)[:channels, None, None]
    for wrong in (np.full((size, size), -0.3, np.float32), ramp(size), ramp(size).T):
        change = tints * wrong * (within(DISK, size) if pasted else 1)
        result, support = drawn_into(clean, change)
        trace = 127.5 * np.abs(to_float(result) - to_float(clean))
        assert trace.max() < (0.3 if pasted else 3)
        assert np.sqrt(np.mean(trace[:, support] ** 2)) < (0.2 if pasted else 0.5)


def slopes(plane: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float64]:
    """(12,) mean gradient across alpha's slope, one for each twelfth of the way round."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.5)
    (down, right), (y, x) = np.gradient(smooth), np.gradient(alpha)
    rim = np.hypot(y, x) > 0
    rows, columns = np.indices(alpha.shape)[:, rim] - alpha.shape[0] / 2
    across = (down * y + right * x)[rim] / np.hypot(y[rim], x[rim])
    sector = (np.arctan2(rows, columns) // (np.pi / 6)).astype(int) + 6
    return np.array([across[sector == number].mean() for number in range(12)])


@DTYPE
@pytest.mark.parametrize(("size", "side"), [(64, 96), (256, 256), (256, 513)])
def test_no_seam_shows(dtype: type, size: int, side: int) -> None:
    clean, alpha = texture(side, dtype), coarsest_weight(DISK, side)
    change = (ramp(size) - 0.5 * rounded(size, 0.08)) * within(DISK, size)
    result, _ = drawn_into(clean, change)
    shifts = range(0, side, side // 16)  # the same slopes elsewhere in the texture
    usual = max(np.abs(slopes(np.roll(to_float(clean)[0], (k, 37 * k), (0, 1)), alpha)).max() for k in shifts)
    assert np.abs(slopes(to_float(result)[0], alpha)).max() < usual
    how = cv2.INTER_AREA if size > side else cv2.INTER_CUBIC
    unfitted = to_float(clean)[0] + cv2.resize(change, (side, side), interpolation=how) * alpha
    assert np.abs(slopes(unfitted, alpha)).max() > 1.3 * usual  # the measure does see a seam


@SIZE
@SIDE
def test_a_spot_deep_inside_keeps_its_contrast(size: int, side: int) -> None:
    clean = texture(side)
    done = difference(clean, drawn_into(clean, (ramp(size) - 0.5 * rounded(size, 0.08)) * within(DISK, size))[0])
    around = (coarsest_weight(DISK, side) == 1) & (rounded(side, 0.12) == 0)
    contrast = done[around].mean() - done[rounded(side, 0.05) > 0].mean()
    assert 0.97 * 0.5 < contrast < 1.03 * 0.5


def test_a_spot_drawn_at_its_native_size_keeps_its_sharpness() -> None:
    clean = texture(256)
    done = difference(clean, drawn_into(clean, -0.5 * rounded(256, 0.08))[0])
    assert np.abs(np.diff(done[128])).max() > 0.98 * 0.5  # from one pixel to the next


@pytest.mark.parametrize(("size", "side"), [(64, 64), (256, 128), (256, 256), (256, 512), (256, 513)])
def test_a_crack_as_wide_as_its_planned_shape_keeps_its_contrast(size: int, side: int) -> None:
    crack = within(part(np.s_[32:33], np.s_[13:51]), size)
    shape = cv2.resize(crack, (side, side), interpolation=cv2.INTER_NEAREST) > 0
    region, clean = grow(shrink_mask(shape, 64), REACH), texture(side)
    done = difference(clean, drawn_into(clean, (ramp(size) - 0.4 * crack) * within(region, size), region)[0])
    assert -done[shape].mean() > 0.88 * 0.4
    beside = cv2.dilate(shape.astype(np.uint8), np.ones((2 * side // 64 + 1,) * 2)) == 0
    assert np.abs(done[beside]).max() < 0.06 * 0.4


@SIZE
def test_sixteen_bits_stay_sixteen(size: int) -> None:
    clean = np.random.default_rng(3).integers(20_000, 40_000, (200, 200), np.uint16)
    result = drawn_into(clean, rounded(size, 0.1) * np.float32(40 * 2 / 65535))[0].astype(int) - clean
    assert abs(result[rounded(200, 0.08) > 0] - 40).max() <= 4
    assert abs(result[rounded(200, 0.13) == 0]).max() <= 1


@DRAWN
def test_what_is_drawn_fades_to_nothing_at_the_edge_of_its_support(size: int, side: int) -> None:
    clean, alpha = texture(side), coarsest_weight(DISK, side)
    rng = np.random.default_rng(4)
    waves = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), 3 * size / 256)
    result, support = drawn_into(clean, 0.2 * waves / waves.std() * within(DISK, size))
    done = difference(clean, result)
    assert np.std(done[alpha == 1]) > 0.15
    edge = support & (cv2.erode(support.astype(np.uint8), np.ones((3, 3))) == 0)
    assert np.std(done[edge]) < 0.07 * np.std(done[alpha == 1])


def share(change: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much of what is drawn at 256 px below row 128 is there, of each row of a plain picture."""
    clean = np.full((256, 256), 128, np.uint8)
    lower = part(np.s_[32:], np.s_[:])
    done = difference(clean, drawn_into(clean, change * within(lower, 256), lower)[0])
    return np.std(done[:, 20:-20], axis=1) / np.std(change)


def test_grain_fades_in_at_once_and_waves_softly() -> None:
    y, x = np.indices((256, 256))
    grain = share(np.float32(0.4) * np.where((x + y) % 2, 1, -1))
    assert grain[127] == 0 and grain[131] > 0.85 and grain[133] > 0.98
    for length, full in ((16, 144), (32, 148)):
        waves = share((0.4 * np.sin(x * (2 * np.pi / length))).astype(np.float32))
        assert waves[131] < 0.45 and waves[full] > 0.95, length


@DRAWN
def test_a_region_at_the_squares_edge_is_drawn_up_to_it(size: int, side: int) -> None:
    region = part(np.s_[:24], np.s_[16:48])
    clean, unit, spot = texture(side), side / 64, within(part(np.s_[:10], np.s_[27:37]), size)
    result, support = drawn_into(clean, (0.2 - 0.5 * spot) * within(region, size), region)
    done = difference(clean, result)
    assert np.array_equal(result[~support], clean[~support])
    assert np.abs(done[: int(8 * unit), int(29 * unit) : int(35 * unit)] + 0.5).max() < 0.05
    assert np.abs(done[:, : int(25 * unit)]).max() < 0.02 and np.abs(done[int(13 * unit) :]).max() < 0.02


TINY = {
    "a pixel": part(np.s_[30:31], np.s_[30:31]),
    "a line": part(np.s_[30:31], np.s_[10:50]),
    "two lines": part(np.s_[30:32], np.s_[10:50]),
    "a corner": part(np.s_[:1], np.s_[:1]),
    "a border": part(np.s_[:1], np.s_[:]),
}


@DRAWN
@pytest.mark.parametrize("name", TINY)
def test_regions_without_a_middle_are_drawn_faintly(name: str, size: int, side: int) -> None:
    clean, region = texture(side, np.uint16, 3), TINY[name]
    result, support = drawn_into(clean, -0.4 * within(region, size), region)
    assert support.any() and np.array_equal(result[~support], clean[~support])
    done = difference(clean, result)[support]
    assert -0.1 < done.min() < -0.002 and done.max() <= 1e-4


@DRAWN
def test_an_empty_region_changes_nothing(size: int, side: int) -> None:
    clean = texture(side)
    result, support = drawn_into(clean, np.full((size, size), 0.4, np.float32), np.zeros((64, 64), bool))
    assert not support.any() and np.array_equal(result, clean)


@DRAWN
def test_a_region_that_covers_the_square_is_taken_as_it_was_drawn(size: int, side: int) -> None:
    """There is no edge that could show, and nothing to fit the brightness to."""
    clean = texture(side)
    result, support = drawn_into(clean, np.full((size, size), -0.4, np.float32), np.ones((64, 64), bool))
    assert support.all() and np.abs(difference(clean, result) + 0.4).max() <= 1 / 127
