"""Large patches: which regions are taken, and what is drawn of them by lot."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from large_product import CLASSES, write_product

from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import from_float, to_float
from defectgen.learn.large import GOOD_SHARE, DrawnPatches, LargePatches
from defectgen.learn.upsample import HIGH
from defectgen.manifest import Manifest
from defectgen.source import Source
from defectgen.spec import DataSpec

MANY, DRAWN = 600, 80
PIT, SCRATCH = CLASSES.index("pit"), CLASSES.index("scratch")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    write_product(root)
    return root


def patches(root: Path, split: str = "train", clean: bool = True) -> LargePatches:
    manifest = Manifest.load(root / "patch")
    return LargePatches(Source(Manifest.load(root / "ingest")), manifest, DataSpec.load(root / "patch"), split, clean)


def counts(large: LargePatches) -> dict[int, int]:
    """Patches of each class."""
    return {label: sum(map(len, groups.values())) for label, groups in large.defects.items()}


def test_only_regions_of_128_native_pixels_or_more_of_the_asked_split_are_taken(root: Path) -> None:
    train, held_out = patches(root), patches(root, "val")
    assert counts(train) == {PIT: 4, SCRATCH: 1}
    assert len(train.clean) == 2
    assert counts(held_out) == {PIT: 1}
    assert not patches(root, clean=False).clean and counts(patches(root, clean=False)) == counts(train)
    assert not held_out.clean
    assert not patches(root, "test").defects


def test_a_patch_is_the_region_at_full_resolution_with_its_mask(root: Path) -> None:
    for picture, mask, label, _ in patches(root).spread(MANY):
        assert picture.shape == (1, HIGH, HIGH) and mask.shape == (HIGH, HIGH) and label in (PIT, SCRATCH)
        assert -1 <= picture.min() < picture.max() <= 1
        assert picture[0][mask].mean() < -0.7 < -0.3 < picture[0][~mask].mean(), "the defect is black"
    whole = patches(root).spread(MANY)[-1].picture
    small = whole.reshape(1, 64, 4, 64, 4).mean(axis=(2, 4))
    assert whole.std() > 1.05 * small.std(), "it has grain that 64 px have not"


def test_each_class_is_drawn_as_often_as_any_and_a_clean_one_has_the_shape_of_some_defect(root: Path) -> None:
    rng, large = np.random.default_rng(0), patches(root)
    shapes = [patch.mask for patch in large.spread(MANY)]
    seen: Counter[int] = Counter()
    for _ in range(MANY):
        picture, mask, label, _ = large.draw(rng)
        seen[label] += 1
        assert any(np.array_equal(mask, shape) for shape in shapes)
        assert (picture[0][mask].mean() > 0) == (label == 0), "a clean one is bright also under the shape"
    assert set(seen) == {0, PIT, SCRATCH}
    assert all(abs(count - MANY / 3) < 4 * np.sqrt(MANY * 2 / 9) for count in seen.values()), seen


def test_a_part_photographed_often_is_drawn_no_more_often_than_another(root: Path) -> None:
    rng, large = np.random.default_rng(0), patches(root, clean=False)
    often, seldom = large.spread(2)[:2]
    pixels = [from_float(one.picture, np.dtype(np.uint8)) for one in (often, seldom)]
    large.defects = {PIT: {"often": [(pixels[0], often.mask)] * 9, "seldom": [(pixels[1], seldom.mask)]}}
    rare = sum(np.array_equal(large.draw(rng).mask, seldom.mask) for _ in range(100))
    assert not np.array_equal(often.mask, seldom.mask) and 35 < rare < 65


def test_without_clean_regions_only_defects_are_drawn(root: Path) -> None:
    rng, large = np.random.default_rng(0), patches(root, "val")
    assert {large.draw(rng).label for _ in range(20)} == {PIT}


def test_a_spread_has_at_most_so_many_of_each_class(root: Path) -> None:
    assert [patch.label for patch in patches(root).spread(2)] == [PIT, PIT, SCRATCH]


@pytest.mark.parametrize("channels", [1, 3])
def test_drawn_ones_are_lessons_with_the_label_asked_for_and_a_share_of_them_is_good(channels: int) -> None:
    drawn, teacher = DrawnPatches(DataSpec(channels, CLASSES, 0.3, 64), 32, label=7, seed=1), Teacher(32, 1)
    good = 0
    for number in range(DRAWN):
        patch = drawn.draw(np.random.default_rng(number))
        lesson = teacher(int(np.random.default_rng(number).integers(2**31)))
        assert patch.label in (0, 7)
        shown = to_float(lesson.picture if patch.label else lesson.clean)
        np.testing.assert_array_equal(patch.picture, shown if channels == 3 else shown.mean(axis=0, keepdims=True))
        np.testing.assert_array_equal(patch.mask, lesson.mask)
        assert patch.grey == lesson.grey
        good += patch.label == 0
    assert abs(good - GOOD_SHARE * DRAWN) < 3 * np.sqrt(DRAWN * GOOD_SHARE * (1 - GOOD_SHARE))
