"""Laplacian pyramids: weights of 1 change nothing, fine bands follow a weight sharply and coarse ones softly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from defectgen.imaging.pyramid import weigh


def upper_half(size: int) -> NDArray[np.float32]:
    """A weight (size, size) of 1 in the upper half, 0 in the lower."""
    return np.repeat(np.arange(size) < size // 2, size).reshape(size, size).astype(np.float32)


def flat(shape: tuple[int, int], values: list[float]) -> list[NDArray[np.float32]]:
    """Weights of one value each, the finest first, each half the size of the one before."""
    return [np.full([-(-length // 2**i) for length in shape], value, np.float32) for i, value in enumerate(values)]


@pytest.mark.parametrize("shape", [(64, 64), (97, 130), (5, 1), (1, 33)])
@pytest.mark.parametrize("levels", [0, 1, 4])
def test_weights_of_one_give_the_plane_back(shape: tuple[int, int], levels: int) -> None:
    plane = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert np.allclose(weigh(plane, flat(shape, [1] * (levels + 1))), plane, atol=1e-5)


def test_the_first_weight_is_that_of_the_finest_band_and_the_last_that_of_the_brightness() -> None:
    y, x = np.indices((64, 64))
    grain = np.where((x + y) % 2, 1, -1).astype(np.float32)
    plane = grain + np.float32(0.5)
    assert np.allclose(weigh(plane, flat((64, 64), [1, 0, 0])), grain, atol=1e-5)
    assert np.allclose(weigh(plane, flat((64, 64), [0, 1, 0])), 0, atol=1e-5)
    assert np.allclose(weigh(plane, flat((64, 64), [0, 0, 1])), 0.5, atol=1e-5)


def test_grain_is_cut_where_the_weight_is_and_brightness_fades_over() -> None:
    y, x = np.indices((64, 64))
    grain = np.where((x + y) % 2, 1, -1).astype(np.float32)
    weights = [upper_half(size) for size in (64, 32, 16, 8)]
    cut = weigh(grain, weights) * grain
    assert cut[:31].min() > 0.9 and cut[33:].max() < 0.1
    faded = weigh(np.ones_like(grain), weights).mean(axis=1)
    assert (np.diff(faded) <= 1e-6).all() and np.abs(np.diff(faded)).max() < 0.15
    assert 0.05 < faded[31] < 0.95 and faded[4] > 0.99 and faded[-4] < 0.01
