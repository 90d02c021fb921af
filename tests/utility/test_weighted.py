"""Figures under many weightings at once are those of scikit-learn under one."""

import numpy as np
import pytest
from made_readings import LABELS, made_reading, map_reading, random_reading
from sklearn.metrics import average_precision_score, roc_auc_score

from defectgen.utility import weighted
from defectgen.utility.bootstrap import replicate
from defectgen.utility.figures import Thresholds, figures
from defectgen.utility.types import Reading

AT = Thresholds(0.6, np.array([20, 20, 15, 10]))


def draws(pictures: int, replicates: int = 30) -> np.ndarray:
    return np.random.default_rng(0).poisson(1, (replicates, pictures)).astype(float)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_and_auroc_are_those_of_scikit_learn(ties: bool) -> None:
    random = np.random.default_rng(1)
    positive, score = random.random(50) < 0.2, random.random(50).astype(np.float32)
    score = np.round(score, 1) if ties else score
    weights = draws(50)
    purity, area = weighted.average_precision(positive, score, weights), weighted.auroc(positive, score, weights)
    for row, times in enumerate(weights):
        drawn = times > 0
        kept = (positive[drawn], score[drawn])
        assert purity[row] == pytest.approx(average_precision_score(*kept, sample_weight=times[drawn]))
        assert area[row] == pytest.approx(roc_auc_score(*kept, sample_weight=times[drawn]))


@pytest.mark.parametrize(
    "reading",
    [
        random_reading(1),
        random_reading(1, ties=True),
        map_reading(2),
        made_reading([(1, 2), (2, 3), 1, 0, 0, (1, 3), 2, 3], random_reading(5).scores[:8]),
    ],
)
def test_every_replicate_is_the_figure_under_its_weights(reading: Reading) -> None:
    weights = draws(len(reading.truth))
    found = replicate(reading, LABELS, AT, weights)
    for row, times in enumerate(weights):
        expected = figures(reading, LABELS, AT, times)
        assert {key: values[row] for key, values in found.items()} == pytest.approx(
            {key: expected[key] for key in found}, nan_ok=True
        )


def test_a_replicate_without_a_positive_or_a_negative_is_missing() -> None:
    positive, score = np.array([True, False, False]), np.array([0.5, 0.2, 0.9])
    weights = np.array([[0.0, 1, 1], [1, 0, 0]])
    np.testing.assert_equal(weighted.average_precision(positive, score, weights), [np.nan, 1])
    np.testing.assert_equal(weighted.auroc(positive, score, weights), [np.nan, np.nan])


def test_mean_over_the_classes_that_could_be_measured() -> None:
    values = np.array([[0.2, np.nan, np.nan], [0.4, 0.4, np.nan]])
    np.testing.assert_allclose(weighted.macro(values), [0.3, 0.4, np.nan])
