"""The examples detectors are trained on: what each depends on, what is drawn how often, what pairs the arms."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pictures import REAL, SPEC, picture, some

from defectgen.errors import UserError
from defectgen.utility.draws import Draws, Example
from defectgen.utility.types import UNKNOWN, Picture

ADDED = [*some(4, 1, first=1000), *some(3, 2, first=1100)]
LENGTH = 1000


def draws(real: list[Picture] = REAL, **changed: Any) -> Draws:
    """A stream of plain real pictures, but for what is changed."""
    plain = {"added_defects": [], "added_good": [], "augmented": False, "flips": SPEC.flips}
    return Draws(real, **{**plain, "ratio": 0.5, "length": LENGTH, "seed": 7, **changed})


def drawn(stream: Draws, pictures: list[Picture]) -> list[int]:
    """The number of the picture that each example shows, by its pixels; the stream is not augmented."""
    numbers = {picture.pixels.tobytes(): int(picture.picture_id) for picture in pictures}
    return [numbers[stream[index]["pixels"].numpy().tobytes()] for index in range(len(stream))]


def same(one: Example, other: Example) -> bool:
    return all(torch.equal(one[key], other[key]) for key in ("pixels", "classes", "named"))  # type: ignore[literal-required]


def test_an_example_depends_on_seed_and_index_alone() -> None:
    stream = draws(augmented=True, added_defects=ADDED)
    backwards = {index: draws(augmented=True, added_defects=ADDED, length=5)[index] for index in (4, 3, 2, 1, 0)}
    assert all(same(stream[index], backwards[index]) for index in range(5))
    other = draws(augmented=True, added_defects=ADDED, seed=8)
    assert not any(same(stream[index], other[index]) for index in range(5))


def test_an_example_is_of_the_promised_types() -> None:
    example = draws([*some(1), picture(5, UNKNOWN)], augmented=True)[0]
    assert example["pixels"].shape == (1, 64, 64) and example["pixels"].dtype == torch.float32
    assert example["classes"].shape == (64, 64) and example["classes"].dtype == torch.int64
    assert example["named"].shape == (3,) and example["named"].dtype == torch.bool


def test_half_are_good_and_the_classes_equally_often_whatever_their_number() -> None:
    real = [*some(3), *some(1, 1, first=100), *some(20, 2, first=200)]
    kinds = Counter(number // 100 for number in drawn(draws(real), real))
    assert kinds[0] == pytest.approx(LENGTH / 2, rel=0.1)
    assert kinds[1] == pytest.approx(LENGTH / 4, rel=0.15)
    assert kinds[2] == pytest.approx(LENGTH / 4, rel=0.15)


def test_groups_are_drawn_equally_often_whatever_their_number_of_pictures() -> None:
    often = [picture(100 + number, 1, group="often") for number in range(9)]
    real = [*some(1), *often, picture(200, 1, group="once")]
    kinds = Counter(number // 100 for number in drawn(draws(real), real))
    assert kinds[2] == pytest.approx(kinds[1], rel=0.2)


def test_a_picture_of_two_classes_counts_for_each_and_one_of_none_is_a_class_of_its_own() -> None:
    real = [*some(1), picture(100, 1), picture(200, 1, 2), picture(300, UNKNOWN)]
    kinds = Counter(number // 100 for number in drawn(draws(real), real))
    assert kinds[1] == pytest.approx(LENGTH / 2 / 6, rel=0.25)  # half of a third
    assert kinds[2] == pytest.approx(LENGTH / 2 / 2, rel=0.15)  # half of a third, and a third
    assert kinds[3] == pytest.approx(LENGTH / 2 / 3, rel=0.15)


def test_an_arm_replaces_real_pictures_and_changes_nothing_else() -> None:
    plain, more = draws(augmented=True), draws(augmented=True, added_defects=ADDED)
    kept = [same(plain[index], more[index]) for index in range(300)]
    good = [bool(plain[index]["named"][0]) for index in range(300)]
    assert all(kept[index] for index in range(300) if good[index])
    assert 0.35 < np.mean([kept[index] for index in range(300) if not good[index]]) < 0.65


def test_every_arm_draws_every_class_equally_often() -> None:
    """Also one that has defects of one class only to add, and one whose defects have no class."""
    real = [*some(3), *some(4, 1, first=100), *some(4, 2, first=200)]
    plain = [number // 100 for number in drawn(draws(real), real)]
    one_class = some(4, 1, first=1000)
    lacking = [number // 100 for number in drawn(draws(real, added_defects=one_class), [*real, *one_class])]
    assert [1 if kind == 10 else kind for kind in lacking] == plain
    assert sum(kind == 10 for kind in lacking) == pytest.approx(LENGTH / 8, rel=0.2)
    foreign = [picture(1000, UNKNOWN)]
    kinds = [number // 100 for number in drawn(draws(real, added_defects=foreign), [*real, *foreign])]
    assert all(kind in (10, before) for kind, before in zip(kinds, plain, strict=True))
    assert sum(kind == 10 for kind in kinds) == pytest.approx(LENGTH / 4, rel=0.2)


def test_a_larger_ratio_replaces_more_and_keeps_what_was_replaced() -> None:
    pictures = [*REAL, *ADDED]
    real, some_, many = (drawn(draws(added_defects=ADDED, ratio=ratio), pictures) for ratio in (0.0, 0.2, 0.5))
    first = {index for index in range(LENGTH) if some_[index] != real[index]}
    second = {index for index in range(LENGTH) if many[index] != real[index]}
    assert first < second
    assert all(some_[index] == many[index] for index in first)


def test_augmentation_is_the_same_for_whatever_is_drawn() -> None:
    real = [*some(1), picture(100, 1)]
    one, two = draws(real, augmented=True), draws(real, augmented=True, added_defects=[picture(100, 1)])
    assert all(same(one[index], two[index]) for index in range(40))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5])
def test_the_share_of_real_defects_is_measured(ratio: float) -> None:
    stream = draws(added_defects=ADDED, ratio=ratio)
    numbers = [number for number in drawn(stream, [*REAL, *ADDED]) if number >= 100]
    assert stream.real_share() == pytest.approx(np.mean([number < 1000 for number in numbers]))
    assert stream.real_share() == pytest.approx(1 - ratio, abs=0.06)


def test_added_good_pictures_replace_good_ones_only() -> None:
    good = some(3, first=1000)
    stream = draws(added_good=good)
    numbers = drawn(stream, [*REAL, *good])
    plain = drawn(draws(), REAL)
    assert stream.real_share() == 1
    assert [n for n in numbers if 100 <= n < 1000] == [n for n in plain if n >= 100]
    assert sum(n >= 1000 for n in numbers) == pytest.approx(LENGTH / 4, rel=0.15)


def test_augmented_pictures_vary_and_show_what_they_are_called() -> None:
    tiny = [picture(number, number % 2 + 1, side=3) for number in range(100, 110)]
    stream = draws([*some(2), *tiny], augmented=True)
    seen = set()
    for index in range(300):
        example = stream[index]
        pixels, classes, named = (example[key].numpy() for key in ("pixels", "classes", "named"))  # type: ignore[literal-required]
        seen.add(pixels.tobytes())
        assert abs(pixels).max() <= 1
        assert set(np.unique(classes)) - {0} == set(np.flatnonzero(named)) - {0}
        for label in set(np.unique(classes)) - {0}:  # the map lies where the square is
            inside, outside = pixels[0][classes == label].mean(), np.median(pixels)
            assert (inside - outside) * (1.5 - label) > 0.1
    assert len(seen) > 200  # of two good pictures there are only so many poses under the same light


def test_a_defect_at_the_very_edge_is_not_moved_out_of_the_picture() -> None:
    good = picture(1)
    classes = np.zeros_like(good.classes)
    classes[0, 20:22] = 1
    stream = draws([good, replace(good, classes=classes, named=np.array([False, True, False]))], augmented=True)
    examples = [stream[index] for index in range(200)]
    assert all((example["classes"] == 1).any() != example["named"][0] for example in examples)


@pytest.mark.parametrize("augmented", [False, True])
def test_an_unknown_class_stays_unknown(augmented: bool) -> None:
    stream = draws([*some(1), picture(100, UNKNOWN)], augmented=augmented, length=20)
    for index in range(20):
        classes, named = stream[index]["classes"], stream[index]["named"]
        assert set(classes.unique().tolist()) == ({0} if named[0] else {0, UNKNOWN})
        assert named.tolist() in ([True, False, False], [False, True, True])


@pytest.mark.parametrize("ratio", [-0.1, 0.51, 1.0])
def test_real_defects_are_at_least_half(ratio: float) -> None:
    with pytest.raises(UserError, match="at least half"):
        draws(added_defects=ADDED, ratio=ratio)


def test_without_real_defects_or_without_good_pictures_there_is_nothing_to_learn() -> None:
    with pytest.raises(UserError, match="no training picture shows a defect"):
        draws(some(3), added_defects=ADDED)
    with pytest.raises(UserError, match="no training picture is good"):
        draws(some(3, 1), added_good=some(3))
