"""The composite: nothing changes outside the region, at any depth and channel count."""

import numpy as np
import pytest

from defectgen.imaging.blend import add_change, blend_weight


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
