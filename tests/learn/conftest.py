"""The tiny training that the tests of fitting and of resuming start from."""

from pathlib import Path

import pytest
from training import Diary, Training, Whole, weights_of

from defectgen.learn.patches import Patches
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec


@pytest.fixture(scope="module")
def small(manifest: Manifest, spec: DataSpec) -> tuple[Patches, Patches]:
    """The drawn patches of train and val at 16 px."""
    both = Patches(manifest, spec, "train"), Patches(manifest, spec, "val")
    for patches in both:
        patches.pictures = [picture.reshape(1, 16, 4, 16, 4).mean(axis=(2, 4)) for picture in patches.pictures]
        patches.masks = {n: mask.reshape(16, 4, 16, 4).max(axis=(1, 3)) for n, mask in patches.masks.items()}
    return both


@pytest.fixture(scope="module")
def whole(small: tuple[Patches, Patches], tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Whole]:
    """One with validation patches, one without: they keep their best and their last weights."""
    runs = {}
    for validated in (True, False):
        diary = Diary()
        module = Training(small, tmp_path_factory.mktemp("whole")).run(diary, validated=validated)
        runs[validated] = Whole(diary, weights_of(module))
    return runs


@pytest.fixture
def training(small: tuple[Patches, Patches], tmp_path: Path) -> Training:
    return Training(small, tmp_path)
