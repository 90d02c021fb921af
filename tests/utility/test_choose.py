"""Choices on val: by hand, and the best of all there are."""

from dataclasses import replace

import numpy as np
import pytest
from made_readings import made_reading, map_reading, random_reading

from defectgen.utility import weighted
from defectgen.utility.choose import best_ratio, decision_threshold, dice_thresholds, thresholds
from defectgen.utility.figures import call, of_calls
from defectgen.utility.types import THRESHOLDS

HALF = int(np.abs(THRESHOLDS - 0.5).argmin())


def test_the_threshold_is_the_middle_between_good_and_defective() -> None:
    scores = [[1 - p, p, 0, 0] for p in (0.8, 0.7, 0.3, 0.1)]
    assert decision_threshold(made_reading([1, 1, 0, 0], scores)) == pytest.approx(0.5)


def test_of_equals_the_widest_stretch_is_taken() -> None:
    """Above 0.3 a defect is missed, up to 0.2 a good picture is flagged: macro-F1 (2/3 + 4/5) / 2 either way."""
    scores = [[1 - p, p, 0, 0] for p in (0.9, 0.2, 0.3, 0.1)]
    assert decision_threshold(made_reading([1, 1, 0, 0], scores)) == pytest.approx((0.3 + 0.9) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_threshold_does_better_on_val(seed: int) -> None:
    reading = random_reading(seed)
    assert reading.scores is not None

    def macro_f1(at: float) -> float:
        return of_calls(reading.truth, call(reading.scores, at), np.ones(60))["macro_f1", ""]

    best = macro_f1(decision_threshold(reading))
    assert max(macro_f1(other) for other in np.linspace(0, 1, 41)) <= best + 1e-12


def test_a_val_without_defects_and_a_detector_without_scores_still_get_a_threshold() -> None:
    assert decision_threshold(made_reading([0, 0], [[0.8, 0.2, 0, 0], [0.6, 0.4, 0, 0]])) == pytest.approx(0.7)
    assert thresholds(replace(map_reading(1), scores=None)).decision == 0.5
    np.testing.assert_array_equal(thresholds(random_reading(0)).dice, [HALF] * 4)


def test_no_other_pixel_threshold_does_better_on_val() -> None:
    counts = map_reading(2).counts
    assert counts is not None
    overlap = [
        [weighted.dice(counts.positives[:, k], counts.hits[:, k, at], counts.calls[:, k, at], np.ones((1, 6)))[0]]
        for k in range(4)
        for at in range(len(THRESHOLDS))
    ]
    np.testing.assert_array_equal(dice_thresholds(map_reading(2)), np.reshape(overlap, (4, -1)).argmax(axis=1))


def test_a_class_without_a_pixel_in_val_gets_one_half() -> None:
    reading = map_reading(2)
    assert reading.counts is not None
    reading.counts.positives[:, 2] = 0
    reading.counts.hits[:, 2] = 0
    assert dice_thresholds(reading)[2] == HALF


def test_the_ratio_with_the_best_mean_over_the_seeds_and_the_smaller_of_equals() -> None:
    weak, strong = [random_reading(seed, 0.5) for seed in (1, 2)], [random_reading(seed, 3) for seed in (1, 2)]
    assert best_ratio({0.5: weak, 0.25: strong, 0.1: weak}) == 0.25
    assert best_ratio({0.5: strong, 0.25: strong, 0.4: weak}) == 0.25
    nothing = [made_reading([0, 0], [[0.5, 0.5, 0, 0]] * 2)]
    assert best_ratio({0.5: nothing, 0.25: nothing}) == 0.25


def test_the_ratio_of_a_segmenter_goes_by_its_pixels() -> None:
    seeing, blind = (replace(map_reading(1), scores=None) for _ in range(2))
    assert blind.counts is not None
    blind.counts.hits[:, 0] //= 4
    assert best_ratio({0.25: [blind], 0.5: [seeing]}) == 0.5
