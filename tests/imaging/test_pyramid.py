"""Laplacian pyramids: weights of 1 change nothing, fine bands follow a weight sharply and coarse ones softly."""

import numpy as np
import pytest

from defectgen.imaging.pyramid import gaussian, weigh

HALF = np.repeat(np.arange(64) < 32, 64).reshape(64, 64).astype(np.float32)
"""A weight (64, 64) of 1 in the upper half, 0 in the lower."""


@pytest.mark.parametrize("shape", [(64, 64), (97, 130), (5, 1), (1, 33)])
@pytest.mark.parametrize("levels", [0, 1, 4])
def test_weights_of_one_give_the_plane_back(shape: tuple[int, int], levels: int) -> None:
    plane = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert np.allclose(weigh(plane, gaussian(np.ones(shape, np.float32), levels)), plane, atol=1e-5)


def test_each_level_is_half_the_size_and_keeps_the_range() -> None:
    planes = gaussian(HALF, 3)
    assert [plane.shape for plane in planes] == [(64, 64), (32, 32), (16, 16), (8, 8)]
    assert all(plane[0].min() == 1 and plane[-1].max() == 0 for plane in planes)


def test_grain_is_cut_where_the_weight_is_and_brightness_fades_over() -> None:
    y, x = np.indices(HALF.shape)
    grain = np.where((x + y) % 2, 1, -1).astype(np.float32)
    weights = gaussian(HALF, 3)
    cut = weigh(grain, weights) * grain
    assert cut[:31].min() > 0.9 and cut[33:].max() < 0.1
    faded = weigh(np.ones_like(HALF), weights).mean(axis=1)
    assert (np.diff(faded) <= 1e-6).all() and np.abs(np.diff(faded)).max() < 0.15
    assert 0.05 < faded[36] < 0.4 and faded[4] > 0.99 and faded[-4] < 0.01
