"""Figures: worked out by hand, against raw pixels, with classes missing, weighted."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from made_readings import LABELS, made_reading, map_reading, random_maps, random_reading, repeated
from sklearn.metrics import average_precision_score, f1_score

from defectgen.utility.figures import FIGURES, Thresholds, call, endpoint, figures
from defectgen.utility.readings import read
from defectgen.utility.types import THRESHOLDS, Picture, Prediction, Reading

AT = Thresholds(0.5, np.array([20, 20, 15, 10]))


@pytest.fixture(autouse=True)
def _no_warnings() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def measured(reading: Reading, weights: np.ndarray | None = None) -> dict[tuple[str, str], float]:
    return figures(reading, LABELS, AT, weights)


def line(defective: list[float], good: list[float]) -> Reading:
    """Defects of class 1 and good pictures, by their defect probability."""
    scores = [[1 - p, p, 0, 0] for p in defective + good]
    return made_reading([1] * len(defective) + [0] * len(good), scores)


def test_every_figure_is_described_and_every_described_one_measured() -> None:
    found = measured(map_reading(0))
    assert {figure for figure, _ in found} == set(FIGURES)
    assert {label for figure, label in found if figure == "dice"} == {"", "crack", "pit", "stain"}
    assert all(0 <= value <= 1 for value in found.values())


def test_a_detector_is_measured_by_what_it_tells() -> None:
    reading = map_reading(0)
    pixels = {"pixel_average_precision", "dice"}
    for kept, told in (({"counts": None}, set(FIGURES) - pixels), ({"scores": None}, pixels)):
        found = measured(replace(reading, **kept))
        assert {figure for figure, _ in found} == told


def test_average_precision_by_hand() -> None:
    reading = made_reading([1, 0, 1, 2], [[0.1, 0.9, 0, 0], [0.2, 0.8, 0, 0], [0.3, 0.7, 0, 0], [0.4, 0, 0.6, 0]])
    found = measured(reading)
    assert found["average_precision", "crack"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert found["average_precision", "pit"] == 1
    assert np.isnan(found["average_precision", "stain"]), "test has no stain"
    assert found["average_precision", ""] == pytest.approx((5 / 6 + 1) / 2), "so it is left out of the mean"
    assert endpoint(reading) == found["average_precision", ""]


def test_decision_rule() -> None:
    scores = np.array([[0.6, 0.4, 0, 0], [0.5, 0.1, 0.4, 0], [0.1, 0.2, 0.2, 0.5]], np.float32)
    np.testing.assert_array_equal(call(scores, 0.5), [0, 2, 3])
    np.testing.assert_array_equal(call(scores, 0.4), [1 if 1 - np.float64(scores[0, 0]) >= 0.4 else 0, 2, 3])


def test_calls_by_hand() -> None:
    said = np.eye(4)[[1, 1, 0, 0, 0, 0, 1]]
    found = measured(made_reading([1, 1, 1, 0, 0, 0, 0], said))
    assert found["balanced_accuracy", ""] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert found["macro_f1", ""] == pytest.approx((2 * 2 / (3 + 3) + 2 * 3 / (4 + 4)) / 2)


def test_a_picture_of_several_classes_is_right_when_called_one_of_them() -> None:
    good = [1.0, 0, 0, 0]
    for said in (1, 2):
        found = measured(made_reading([(1, 2), 0], [np.eye(4)[said], good]))
        assert found["macro_f1", ""] == found["balanced_accuracy", ""] == 1
    missed = measured(made_reading([(1, 2), 0], [good, good]))
    assert missed["balanced_accuracy", ""] == pytest.approx(1 / 3), "of good, crack and pit only good is found"
    other = measured(made_reading([(1, 2), 1, 2, 0], [np.eye(4)[3], np.eye(4)[1], np.eye(4)[2], good]))
    assert other["balanced_accuracy", ""] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3), "it is half a crack and half a pit"
    assert other["macro_f1", ""] == pytest.approx((0.8 + 0.8 + 1) / 3)


def test_the_line_by_hand() -> None:
    good = np.linspace(0.001, 0.1, 100).tolist()
    found = measured(line([0.9, 0.0995, 0.0955, 0.0505], good))
    assert found["false_alarms_at_full_recall", ""] == pytest.approx(0.50), "the last defect scores below 50 good ones"
    assert found["miss_rate_at_1pct", ""] == pytest.approx(2 / 4), "with one false alarm, two defects are caught"
    assert found["miss_rate_at_5pct", ""] == pytest.approx(1 / 4)
    assert found["auroc", ""] == pytest.approx((100 + 99 + 95 + 50) / 400)


def test_a_detector_that_says_the_same_of_everything() -> None:
    found = measured(line([0.5, 0.5], [0.5, 0.5, 0.5]))
    assert found["false_alarms_at_full_recall", ""] == 1 and found["miss_rate_at_5pct", ""] == 1
    assert found["auroc", ""] == 0.5 and found["average_precision", "crack"] == pytest.approx(2 / 5)


@pytest.mark.parametrize("named", [[0, 0, 0], [1, 2, 1]])
def test_a_split_without_defects_or_without_good_pictures_is_missing_figures(named: list[int]) -> None:
    found = measured(made_reading(named, np.full((3, 4), 0.25)))
    for figure in ("auroc", "false_alarms_at_full_recall", "miss_rate_at_1pct", "miss_rate_at_5pct"):
        assert np.isnan(found[figure, ""])
    assert np.isnan(found["average_precision", ""]) == (named == [0, 0, 0])
    assert np.isfinite(found["macro_f1", ""])


def raw_pixels(seed: int, label: int) -> tuple[np.ndarray, np.ndarray]:
    pictures, prediction = random_maps(seed)
    classes = np.stack([picture.classes for picture in pictures]).ravel()
    assert prediction.maps is not None
    probability = prediction.maps[:, label].ravel()
    return (classes == label, probability) if label else (classes > 0, 1 - probability)


def counted(truth: np.ndarray, probability: np.ndarray) -> float:
    """Pixel average precision of class 1 over one picture, by way of a reading."""
    side = int(len(truth) ** 0.5)
    classes = truth.astype(np.uint8).reshape(side, side)
    maps = np.stack([1 - probability, probability]).astype(np.float32).reshape(1, 2, side, side)
    picture = Picture("picture", "part", np.zeros((1, side, side), np.float32), classes, np.array([False, True]), [])
    found = figures(read([picture], Prediction(maps=maps)), ["good", "crack"], Thresholds(0.5, np.array([0, 0])))
    return found["pixel_average_precision", "crack"]


@pytest.mark.parametrize("share", [0.02, 0.1])
@pytest.mark.parametrize("skill", [1, 2, 3])
def test_pixel_average_precision_is_that_of_the_raw_pixels(share: float, skill: float) -> None:
    """Of a detector whose probabilities are calibrated."""
    random = np.random.default_rng(0)
    truth = random.random(300 * 300) < share
    logits = random.normal(size=truth.size) * skill + skill**2 * (truth - 0.5) + np.log(share / (1 - share))
    probability = (1 / (1 + np.exp(-logits))).astype(np.float32)
    assert abs(counted(truth, probability) - average_precision_score(truth, probability)) < 0.01


def test_pixel_average_precision_at_its_ends() -> None:
    truth = np.arange(900) < 90
    assert counted(truth, truth.astype(np.float32)) == pytest.approx(1)
    assert counted(truth, np.full(900, 0.3, np.float32)) == pytest.approx(0.1), "as pure as all pixels together"
    assert counted(truth, np.where(truth, 0.1, 0.9).astype(np.float32)) < 0.1


def test_pixels_between_two_thresholds_count_as_if_shuffled() -> None:
    """50 hits first; then 50 hits and 100 others share a threshold: the mean over all ways to sort those is known."""
    truth = np.r_[np.ones(50), np.ones(50), np.zeros(100), np.zeros(700)].astype(bool)
    probability = np.r_[np.full(50, 0.8), np.full(150, 0.5), np.zeros(700)].astype(np.float32)
    random = np.random.default_rng(0)
    sorted_ways = [average_precision_score(truth, probability + 1e-6 * random.random(900)) for _ in range(300)]
    assert counted(truth, probability) == pytest.approx(np.mean(sorted_ways), abs=0.003)


def test_dice_is_that_of_the_raw_pixels() -> None:
    found = measured(map_reading(3))
    each = []
    for label in (1, 2, 3):
        truth, probability = raw_pixels(3, label)
        each.append(f1_score(truth, probability >= THRESHOLDS[AT.dice[label]]))
        assert found["dice", LABELS[label]] == pytest.approx(each[-1])
    assert found["dice", ""] == pytest.approx(np.mean(each))


def test_a_class_without_a_pixel_is_missing() -> None:
    pictures, prediction = random_maps(3)
    kept = [number for number, picture in enumerate(pictures) if not picture.named[2]]
    assert prediction.scores is not None and prediction.maps is not None
    cut = replace(prediction, scores=prediction.scores[kept], maps=prediction.maps[kept])
    found = measured(read([pictures[number] for number in kept], cut))
    assert np.isnan(found["dice", "pit"]) and np.isnan(found["pixel_average_precision", "pit"])
    assert found["dice", ""] == pytest.approx((found["dice", "crack"] + found["dice", "stain"]) / 2)


@pytest.mark.parametrize("reading", [random_reading(1), random_reading(1, ties=True), map_reading(1)])
def test_weights_equal_repetition(reading: Reading) -> None:
    times = np.random.default_rng(2).integers(0, 4, len(reading.truth))
    weighted, twice = measured(reading, times.astype(float)), measured(repeated(reading, times))
    assert weighted == pytest.approx(twice, nan_ok=True)
    assert weighted != pytest.approx(measured(reading), nan_ok=True)


def test_the_order_of_the_pictures_does_not_matter() -> None:
    reading = random_reading(1, ties=True)
    order = np.random.default_rng(0).permutation(len(reading.truth))
    shuffled = replace(reading, truth=reading.truth[order], scores=reading.scores[order])
    assert measured(shuffled) == pytest.approx(measured(reading))
