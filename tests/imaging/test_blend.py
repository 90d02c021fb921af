"""The composite: nothing changes outside the region, at any depth and channel count; what is blended shows no seam."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from defectgen.imaging.blend import add_change, blend, blend_weight
from defectgen.imaging.files import Pixels, from_float, to_float
from defectgen.imaging.region import grow
from defectgen.imaging.square import shrink_mask

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [64, 150])
def test_bit_identical_where_alpha_is_zero(dtype: type, channels: int, side: int) -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, np.iinfo(dtype).max, (side, side, 3), dtype)[..., : channels if channels == 3 else 1]
    clean = clean[..., 0] if channels == 1 else clean
    region = np.zeros((64, 64), bool)
    region[20:40, 25:50] = True
    alpha = blend_weight(region, side)
    drawn = add_change(clean, rng.normal(0, 0.5, (channels, 64, 64)).astype(np.float32), alpha)
    assert drawn.dtype == clean.dtype and drawn.shape == clean.shape
    assert np.array_equal(drawn[alpha == 0], clean[alpha == 0])
    assert (drawn[alpha == 1] != clean[alpha == 1]).mean() > 0.9


@pytest.mark.parametrize("side", [64, 97, 200])
def test_alpha_is_one_deep_inside_and_zero_outside_the_region(side: int) -> None:
    region = np.zeros((64, 64), bool)
    region[16:48, 16:48] = True
    alpha = blend_weight(region, side)
    unit = side / 64
    assert alpha.min() == 0 and alpha.max() == 1
    assert alpha[side // 2, side // 2] == 1
    outside = np.ones((side, side), bool)
    low, high = int(np.floor(16 * unit)) - 1, int(np.ceil(48 * unit)) + 1
    outside[low:high, low:high] = False
    assert (alpha[outside] == 0).all()


def test_a_region_cut_by_the_squares_edge_is_not_feathered_there() -> None:
    region = np.zeros((64, 64), bool)
    region[:20, 20:40] = True
    assert blend_weight(region, 64)[0, 30] == 1


def test_an_unchanged_patch_leaves_the_picture_as_it_is() -> None:
    clean = np.random.default_rng(1).integers(0, 255, (90, 90), np.uint8)
    assert np.array_equal(add_change(clean, np.zeros((1, 64, 64), np.float32), np.ones((90, 90), np.float32)), clean)


def texture(side: int, dtype: type = np.uint8, channels: int = 1) -> Pixels:
    """Streaks, clouds and grain, far from black and white."""
    rng = np.random.default_rng(side)
    noise = rng.normal(0, 1, (3, side, side)).astype(np.float32)
    streaks, clouds = cv2.GaussianBlur(noise[0], (1, 31), 0), cv2.GaussianBlur(noise[1], (0, 0), side / 30)
    plane = 0.05 * streaks / streaks.std() + 0.05 * clouds / clouds.std() + 0.03 * noise[2]
    tints = np.array([0.0, 0.05, -0.1], np.float32)[:channels]
    return from_float(np.clip(plane + tints[:, None, None], -0.4, 0.4), np.dtype(dtype))


def rounded(side: int, radius: float) -> NDArray[np.float32]:
    """A sharp spot of 1 in the middle, its radius as a share of the side, on 0: (side, side)."""
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    return (np.hypot(x, y) < radius).astype(np.float32)


def ramp(side: int) -> NDArray[np.float32]:
    """A brightness from -0.05 to 0.35 across the square and down: (side, side)."""
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    return np.float32(0.15) + (0.2 * x - 0.2 * y).astype(np.float32)


def disk(side: int) -> NDArray[np.float32]:
    """Alpha of a round region."""
    return blend_weight(rounded(64, 0.3) > 0, side)


def change(clean: Pixels, result: Pixels) -> NDArray[np.float32]:
    """(S, S) of the first channel, in units of [-1, 1]."""
    return (to_float(result) - to_float(clean))[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [96, 257])
def test_blending_changes_nothing_where_alpha_is_zero(dtype: type, channels: int, side: int) -> None:
    clean, alpha = texture(side, dtype, channels), disk(side)
    drawn = np.random.default_rng(1).uniform(-1, 1, (channels, side, side)).astype(np.float32)
    result = blend(clean, drawn, alpha)
    assert result.dtype == clean.dtype and result.shape == clean.shape
    assert np.array_equal(result[alpha == 0], clean[alpha == 0])
    assert (result[alpha == 1] != clean[alpha == 1]).mean() > 0.9
    assert np.array_equal(blend(clean, drawn, np.zeros_like(alpha)), clean)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("side", [96, 257])
def test_drawing_the_clean_picture_gives_the_clean_picture(dtype: type, side: int) -> None:
    clean = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (side, side, 3), dtype, endpoint=True)
    assert np.array_equal(blend(clean, to_float(clean), disk(side)), clean)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [96, 300])
def test_a_wrong_brightness_leaves_no_trace(channels: int, side: int) -> None:
    clean = texture(side, np.uint16, channels)
    for wrong in (np.float32(-0.3), ramp(side), ramp(side).T):
        result = blend(clean, to_float(clean) + wrong * np.float32([1, -0.5, 0.7])[:channels, None, None], disk(side))
        assert np.abs(to_float(result) - to_float(clean)).max() < 0.5 / 255


def test_a_wrong_brightness_of_the_region_alone_leaves_hardly_a_trace() -> None:
    """The networks paste the clean picture outside the region: there is nothing to see outside that could be fitted."""
    clean, alpha = texture(256), disk(256)
    result = blend(clean, to_float(clean) + ramp(256) * (alpha > 0), alpha)
    assert np.sqrt(np.mean(change(clean, result)[alpha > 0] ** 2)) < 1 / 127.5


def slopes(plane: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float64]:
    """(12,) mean gradient across alpha's slope, one for each twelfth of the way round."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.5)
    (down, right), (y, x) = np.gradient(smooth), np.gradient(alpha)
    rim = np.hypot(y, x) > 0
    rows, columns = np.indices(alpha.shape)[:, rim] - alpha.shape[0] / 2
    across = (down[rim] * y[rim] + right[rim] * x[rim]) / np.hypot(y, x)[rim]
    sector = (np.arctan2(rows, columns) // (np.pi / 6)).astype(int) + 6
    return np.array([across[sector == number].mean() for number in range(12)])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_seam_shows_and_the_spot_stays(dtype: type) -> None:
    clean, alpha, spot = texture(256, dtype), disk(256), rounded(256, 0.08)
    drawn = to_float(clean) + ramp(256) - 0.5 * spot
    result = blend(clean, drawn, alpha)
    elsewhere = [slopes(np.roll(to_float(clean)[0], (k, 37 * k), (0, 1)), alpha) for k in range(0, 256, 16)]
    usual = np.abs(elsewhere).max()
    assert np.abs(slopes(to_float(result)[0], alpha)).max() < 1.2 * usual
    unfitted = to_float(clean) + (drawn - to_float(clean)) * alpha
    assert np.abs(slopes(unfitted[0], alpha)).max() > 2 * usual  # the measure does see a seam
    inner, around = cv2.erode(spot, np.ones((3, 3))) > 0, (alpha == 1) & (cv2.dilate(spot, np.ones((9, 9))) == 0)
    contrast = change(clean, result)[around].mean() - change(clean, result)[inner].mean()
    assert 0.95 * 0.5 < contrast < 1.05 * 0.5
    edge = np.abs(np.diff(change(clean, result)[128]))
    assert edge.max() > 0.8 * 0.5  # from one pixel to the next: as sharp as it was drawn


@pytest.mark.parametrize("side", [128, 256, 513])
def test_a_crack_as_wide_as_its_planned_shape_keeps_its_contrast(side: int) -> None:
    shape = np.zeros((side, side), bool)
    shape[side // 2 : side // 2 + max(2, side // 64), side // 5 : 4 * side // 5] = True
    alpha = blend_weight(grow(shrink_mask(shape, 64), 2.0), side)
    clean = texture(side)
    done = change(clean, blend(clean, to_float(clean) + ramp(side) - np.float32(0.4) * shape, alpha))
    assert -done[shape].mean() > 0.9 * 0.4
    assert np.abs(done[~shape]).max() < 0.1 * 0.4


def test_sixteen_bits_stay_sixteen() -> None:
    clean = np.random.default_rng(3).integers(20_000, 40_000, (200, 200), np.uint16)
    spot = rounded(200, 0.1)
    result = blend(clean, to_float(clean) + spot * np.float32(40 * 2 / 65535), disk(200)).astype(int) - clean
    assert abs(result[cv2.erode(spot, np.ones((5, 5))) > 0] - 40).max() <= 2
    assert abs(result[cv2.dilate(spot, np.ones((15, 15))) == 0]).max() <= 1


def test_what_is_blended_fades_to_nothing_at_alphas_support() -> None:
    clean, alpha = texture(256), disk(256)
    waves = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 1, (256, 256)).astype(np.float32), (0, 0), 3)
    done = change(clean, blend(clean, to_float(clean) + 0.2 * waves / waves.std(), alpha))
    assert np.std(done[alpha == 1]) > 0.15
    assert np.std(done[(alpha > 0) & (alpha < 0.2)]) < 0.07 * np.std(done[alpha == 1])


def test_grain_is_cut_sharply_and_waves_fade_over() -> None:
    clean, alpha = np.full((256, 256), 128, np.uint8), np.zeros((256, 256), np.float32)
    alpha[128:] = 1
    y, x = np.indices(alpha.shape)
    grain = np.float32(0.4) * np.where((x + y) % 2, 1, -1)
    assert np.abs(change(clean, blend(clean, to_float(clean) + grain, alpha)))[130, 20:-20].mean() > 0.9 * 0.4
    waves = (0.4 * np.sin(x * (2 * np.pi / 8))).astype(np.float32)
    done = np.std(change(clean, blend(clean, to_float(clean) + waves, alpha))[:, 20:-20], axis=1) / np.std(waves)
    assert 0.3 < done[128] < 0.66 and done[150] > 0.98  # 0.72 without bands, by the fit to the rim alone


def test_a_region_at_the_squares_edge_is_drawn_up_to_it() -> None:
    region = np.zeros((64, 64), bool)
    region[:24, 16:48] = True
    clean, alpha = texture(256), blend_weight(region, 256)
    spot = np.zeros((256, 256), np.float32)
    spot[:40, 108:148] = 1
    result = blend(clean, to_float(clean) + 0.2 - 0.5 * spot, alpha)
    done = change(clean, result)
    assert np.array_equal(result[alpha == 0], clean[alpha == 0])
    assert np.abs(done[:36, 112:144] + 0.5).max() < 0.05
    assert np.abs(done[:, :100]).max() < 0.02 and np.abs(done[60:]).max() < 0.02


@pytest.mark.parametrize("softness", [0, 1])
def test_alpha_of_a_thin_line(softness: float) -> None:
    clean = texture(256, channels=3)
    line = np.zeros((256, 256), np.float32)
    line[126:129, 40:200] = 1
    alpha = cv2.GaussianBlur(line, (7, 7), softness) if softness else line
    result = blend(clean, to_float(clean) + 0.2 - 0.4 * line, alpha)
    assert np.array_equal(result[alpha == 0], clean[alpha == 0])
    assert change(clean, result)[127, 50:190].mean() < -0.4 * 0.4


def test_the_part_of_a_square_inside_the_picture() -> None:
    """What is drawn past the picture's border does not pull the correction: the part inside is blended by itself."""
    clean, alpha = texture(256), disk(256)
    drawn = to_float(clean) + 0.2 - 0.5 * rounded(256, 0.1)
    for part in (np.s_[:140], np.s_[:, 120:], np.s_[127:130], np.s_[128:129, 100:]):
        result = blend(clean[part], drawn[(slice(None), *np.index_exp[part])], alpha[part])
        spot, outside = rounded(256, 0.09)[part] > 0, rounded(256, 0.13)[part] == 0
        assert result.shape == clean[part].shape
        assert np.abs(change(clean[part], result)[spot] + 0.5).max() < 0.05
        assert np.abs(change(clean[part], result)[outside]).max() < 0.03
