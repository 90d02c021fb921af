"""Choices made on val, so that test is only ever read: thresholds, and how much of the diet is synthetic."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from defectgen.utility import weighted
from defectgen.utility.figures import Thresholds, call, defect_probability, endpoint
from defectgen.utility.types import THRESHOLDS, Reading

_HALF = int(np.abs(THRESHOLDS - 0.5).argmin())


def thresholds(val: Reading) -> Thresholds:
    """Both kinds of threshold of one (arm, seed), from its reading of val."""
    return Thresholds(decision_threshold(val), dice_thresholds(val))


def decision_threshold(val: Reading) -> float:
    """The defect probability in [0, 1] from which to call a picture defective: the one of the highest macro-F1.

    All thresholds between two neighbouring scores make the same calls, and neighbours may do equally well: the middle
    of the widest such stretch is taken. One half for a detector without scores, which makes no calls.
    """
    if val.scores is None:
        return 0.5
    ends = np.unique(np.append(defect_probability(val.scores), 1.0))  # of the stretches that make the same calls
    once = np.ones((1, len(val.truth)))
    tables = [weighted.confusion(val.truth, call(val.scores, end), once) for end in ends]
    values = weighted.macro_f1(np.concatenate(tables))
    return _middle_of_best(values, np.concatenate([[0.0], ends]))


def dice_thresholds(val: Reading) -> NDArray[np.intp]:
    """(K,) index into `THRESHOLDS` of the highest Dice of each class, the lowest of equals.

    One half for a class without a pixel in val, and for a detector without maps.
    """
    if val.counts is None:
        return np.full(val.truth.shape[1], _HALF)
    positives = val.counts.positives.sum(axis=0)
    overlap = 2 * val.counts.hits.sum(axis=0) / np.maximum(1, val.counts.calls.sum(axis=0) + positives[:, None])
    return np.where(positives > 0, overlap.argmax(axis=1), _HALF)


def best_ratio(by_ratio: Mapping[float, Sequence[Reading]]) -> float:
    """The synthetic ratio whose readings of val, one per seed, have the highest mean `figures.endpoint`.

    The smaller of two that do equally well, and the smallest when val cannot tell.
    """
    means = {ratio: np.mean([endpoint(val) for val in by_ratio[ratio]]) for ratio in sorted(by_ratio)}
    return max(means, key=lambda ratio: np.nan_to_num(means[ratio], nan=-1.0))


def _middle_of_best(values: NDArray[np.float64], borders: NDArray[np.float64]) -> float:
    """Middle of the widest run of highest values: values (n,) between neighbouring borders (n + 1,)."""
    best = np.concatenate([[False], np.isclose(values, values.max(), rtol=0, atol=1e-12), [False]])
    first, after = np.flatnonzero(np.diff(best.astype(int)) == 1), np.flatnonzero(np.diff(best.astype(int)) == -1)
    widest = np.argmax(borders[after] - borders[first])
    return float((borders[first[widest]] + borders[after[widest]]) / 2)
