"""Copies: the same picture is found whatever was done to it, another picture in the same shape is none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from textured import SIDE, blob, defect, surface

from defectgen.quality.copies import SAME, Known, duplicates
from defectgen.quality.drawn import Drawn
from defectgen.quality.imprint import imprint
from defectgen.quality.planted import planted

CLEARLY, HARDLY = 0.6, 0.35


@pytest.fixture(scope="module")
def known() -> Known:
    return Known([defect(seed) for seed in range(8)])


@pytest.mark.parametrize("blended", [False, True])
def test_a_planted_copy_is_found_and_leads_to_the_original(known: Known, blended: bool) -> None:
    for seed in range(4):
        copy = planted(defect(seed), surface(99), blended, np.random.default_rng(seed))
        found = known.nearest(copy)
        assert found.number == seed
        assert found.score > CLEARLY


def test_another_picture_in_the_same_shape_is_no_copy(known: Known) -> None:
    assert max(known.nearest(defect(seed)).score for seed in range(20, 28)) < HARDLY


def test_what_follows_from_the_shape_makes_no_copy() -> None:
    """Equally deep and equally shaded, with nothing but fine grain of their own."""
    plain = [defect(seed, texture=0) for seed in range(8)]
    assert max(likeness.score for likeness in Known(plain).between_groups()) < HARDLY


@pytest.mark.parametrize(
    "change",
    [
        np.fliplr,
        np.flipud,
        np.transpose,
        np.rot90,
        lambda plane: np.rot90(plane, 2),
        lambda plane: np.roll(plane, 5, 1),
    ],
)
def test_neither_mirroring_nor_turning_nor_moving_hides_a_copy(
    known: Known, change: Callable[[NDArray], NDArray]
) -> None:
    own = defect(3)
    moved = replace(own, result=change(own.result), shape=change(own.shape))
    assert known.nearest(moved).number == 3
    assert known.nearest(moved).score > 0.85


def test_brightness_contrast_and_shading_do_not_hide_a_copy(known: Known) -> None:
    own = defect(3)
    ramp = np.linspace(-30, 30, SIDE)
    shaded = np.rint(own.result * 0.7 + 40 + ramp).astype(np.uint8)
    assert known.nearest(replace(own, result=shaded)).score > 0.85


def test_colour_and_16_bits_are_compared_as_well() -> None:
    colour = [defect(seed, channels=3) for seed in range(3)]
    deep = [replace(each, result=each.result.astype(np.uint16) * 257) for each in colour]
    found = [Known(colour).nearest(each) for each in deep]
    assert [likeness.number for likeness in found] == [0, 1, 2]
    assert min(likeness.score for likeness in found) > 0.9


def test_of_a_few_pixels_a_correlation_proves_little() -> None:
    tiny = [defect(seed, blob(3, 2)) for seed in range(8)]
    assert max(likeness.score for likeness in Known(tiny).between_groups()) < HARDLY


@pytest.mark.parametrize("shape", [blob(0, 0), blob(30, 0), np.ones((SIDE, SIDE), bool)])
def test_a_dot_a_line_and_a_whole_square_have_a_likeness(known: Known, shape: NDArray[np.bool_]) -> None:
    odd = defect(9, shape)
    for one in (odd, replace(odd, result=np.full_like(odd.result, 7))):
        assert -1 <= known.nearest(one).score <= 1
        assert -1 <= Known([one]).nearest(odd).score <= 1


def test_one_of_another_size_is_not_compared(known: Known) -> None:
    assert known.nearest(defect(3, blob(8, 5))).number == -1


def test_what_is_mirrored_beyond_the_square_is_not_compared() -> None:
    corner = np.roll(blob(), (-30, -30), (0, 1))
    corner[60:] = corner[:, 60:] = False
    whole = imprint(defect(1))
    cut = imprint(defect(1, corner))
    assert cut.weight[:5].sum() == 0
    assert cut.weight.sum() <= whole.weight.sum() * 1.5
    assert not cut.residual[cut.weight == 0].any()


def test_a_part_under_two_names_is_no_standard_for_others() -> None:
    twice = [*(defect(seed) for seed in range(5)), replace(defect(2), group="part 2 again")]
    likenesses = Known(twice).between_groups()
    assert max(likeness.score for likeness in likenesses) < HARDLY
    _, same = Known(twice[:5]).nearest_of_others(twice[5])
    assert same is not None
    assert same.number == 2
    assert same.score >= SAME
    assert Known(twice[:5]).nearest_of_others(defect(30))[1] is None


def test_a_repetition_within_the_set_is_marked_and_the_first_kept() -> None:
    def again(seed: int) -> Drawn:
        return planted(defect(seed), surface(50 + seed), False, np.random.default_rng(seed))

    other_class = replace(again(1), label_name="crack")
    assert duplicates([defect(1), defect(2), again(1), other_class, again(2), defect(3)], 0.5) == [
        *[False, False, True],
        *[False, True, False],
    ]
    assert duplicates([], 0.5) == []
