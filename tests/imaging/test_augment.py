"""Augmentation: patch and mask change alike, and nothing is drawn but from the seed."""

import numpy as np
import pytest

from defectgen.imaging.augment import Augment
from defectgen.imaging.files import Mask

FLIPS = ["horizontal", "vertical", "transpose"]


@pytest.fixture(scope="module")
def mask() -> Mask:
    mask = np.zeros((16, 16), bool)
    mask[2:5, 3:12] = mask[2:9, 3] = True  # an L: none of its eight poses is another
    return mask


def _poses(mask: Mask) -> set[bytes]:
    return {np.rot90(side, turns).tobytes() for side in (mask, mask.T) for turns in range(4)}


def test_patch_and_mask_change_alike(mask: Mask) -> None:
    patch = np.repeat(np.where(mask, 0.5, -0.5)[None], 3, axis=0).astype(np.float32)
    augment = Augment(FLIPS)
    seen = set()
    for seed in range(60):
        changed, shape = augment.pair(patch, mask, seed)
        assert changed.dtype == np.float32 and changed.shape == patch.shape and shape.dtype == bool
        assert changed.min() >= -1 and changed.max() <= 1
        assert np.array_equal(changed[0] > changed.mean(), shape)
        seen.add(shape.tobytes())
    assert seen == _poses(mask)


def test_a_mask_alone_takes_the_same_poses(mask: Mask) -> None:
    augment = Augment(FLIPS)
    assert {augment.alone(mask, seed).tobytes() for seed in range(60)} == _poses(mask)
    assert {Augment([]).alone(mask, seed).tobytes() for seed in range(5)} == {mask.tobytes()}


def test_only_the_seed_decides(mask: Mask) -> None:
    patch = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16)).astype(np.float32)
    seeds = [*range(12), 2**40 + 7]
    first = [Augment(FLIPS).pair(patch, mask, seed) for seed in seeds]
    augment = Augment(FLIPS)
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    second = [augment.pair(patch, mask, seed) for seed in seeds]
    assert np.random.randint(1000) == 684  # noqa: NPY002 - the first number after seed 0: nothing was drawn from it
    for (a, b), (c, d) in zip(first, second, strict=True):
        assert np.array_equal(a, c) and np.array_equal(b, d)
    assert len({a.tobytes() for a, _ in first}) > 4
