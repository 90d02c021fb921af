"""The figures of one reading under many weightings of its pictures at once, as a bootstrap needs them.

weights (B, N), at least 0: row b says how often replicate b drew each of the N pictures. Every function returns one
value per replicate; nan where the replicate holds nothing to measure. `figures.py` computes those of whole pictures
for one weighting with scikit-learn, to which these are equal; sorting once for all replicates makes them fast enough.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]


def average_precision(positive: Bools, score: NDArray[np.floating], weights: Floats) -> Floats:
    """Sum over thresholds of (gain in recall) x precision; equal scores share a threshold.

    positive (N,), score (N,), weights (B, N); returns (B,) in [0, 1], nan where no positive has a weight.
    """
    hits, calls = _called(positive, score, weights)
    precision = np.divide(hits, calls, out=np.zeros_like(hits), where=calls > 0)
    return _share((np.diff(hits, axis=1, prepend=0) * precision).sum(axis=1), hits[:, -1])


def auroc(positive: Bools, score: NDArray[np.floating], weights: Floats) -> Floats:
    """Probability that a positive scores above a negative, half for equal scores.

    positive (N,), score (N,), weights (B, N); returns (B,) in [0, 1], nan where either kind has no weight.
    """
    hits, calls = _called(positive, score, weights)
    alarms = calls - hits
    gain = np.diff(hits, axis=1, prepend=0)
    return _share((np.diff(alarms, axis=1, prepend=0) * (hits - gain / 2)).sum(axis=1), hits[:, -1] * alarms[:, -1])


def confusion(truth: Bools, calls: Ints, weights: Floats) -> Floats:
    """How much of each class is called what: truth (N, K), calls (N,), weights (B, N); returns (B, true K, called K).

    How a picture of several classes is counted says `shares`.
    """
    classes = truth.shape[1]
    picture, true, called, share = shares(truth, calls)
    cells = np.zeros((len(truth), classes * classes))
    np.add.at(cells, (picture, true * classes + called), share)
    return (weights @ cells).reshape(-1, classes, classes)


def shares(truth: Bools, calls: Ints) -> tuple[Ints, Ints, Ints, Floats]:
    """Split every picture evenly among its classes: a picture of m classes is 1/m of a picture of each of them.

    All its shares are right when the call is any one of its classes; otherwise all are called what the picture is
    called. So how much there is of a class depends on the pictures alone, never on the detector.
    truth (N, K), calls (N,); returns picture, true class, called class and weight of each share, all (shares,).
    """
    picture, true = np.nonzero(truth)
    call = calls[picture]
    called = np.where(truth[picture, call], true, call)
    return picture, true, called, 1 / truth.sum(axis=1)[picture]


def macro_f1(table: Floats) -> Floats:
    """Mean F1 over the classes present: `confusion` table (B, K, K); returns (B,) in [0, 1]."""
    right, true = np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2)
    f1 = _share(2 * right, true + table.sum(axis=1))
    return macro(np.where(true > 0, f1, np.nan).T)


def balanced_accuracy(table: Floats) -> Floats:
    """Mean recall over the classes present: `confusion` table (B, K, K); returns (B,) in [0, 1]."""
    return macro(_share(np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2)).T)


def pixel_average_precision(positives: Ints, hits: Ints, calls: Ints, weights: Floats) -> Floats:
    """Average precision of pixels that are counted at T thresholds only, not sorted one by one.

    Between two thresholds hits and calls are taken to grow in proportion, and precision is integrated over that line
    (Keilwagen et al. 2014); steps from threshold to threshold would read up to 0.03 too low. With a hits among c calls
    before, and b among d between:  integral of (a + b u) / (c + d u) = b/d + (a d - b c) / d^2 log(1 + d/c).
    positives (N,), hits and calls (N, T) of one class of `Counts`, weights (B, N); returns (B,) in [0, 1].
    """
    hit, call = weights @ hits, weights @ calls
    b, d = -np.diff(hit, axis=1, append=0), -np.diff(call, axis=1, append=0)
    a, c = hit - b, call - d
    rise = np.log1p(np.divide(d, c, out=np.zeros_like(c), where=c > 0))
    precision = np.divide(b + (a - _share(b * c, d)) * rise, d, out=np.zeros_like(d), where=d > 0)
    return _share((b * precision).sum(axis=1), weights @ positives)


def dice(positives: Ints, hits: Ints, calls: Ints, weights: Floats) -> Floats:
    """Dice of all weighted pixels together, at one threshold.

    positives, hits, calls (N,) of one class of `Counts`, weights (B, N); returns (B,), nan without such a pixel.
    """
    positive = weights @ positives
    return np.where(positive > 0, _share(2 * (weights @ hits), weights @ calls + positive), np.nan)


def macro(values: Floats) -> Floats:
    """Mean over the classes that could be measured: (K, B), nan = could not; returns (B,), nan where none could."""
    measured = np.isfinite(values)
    return _share(np.where(measured, values, 0).sum(axis=0), measured.sum(axis=0))


def _called(positive: Bools, score: NDArray[np.floating], weights: Floats) -> tuple[Floats, Floats]:
    """Weight of the positives, and of all, that score at least as much as each distinct score, highest first."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of those that share a score
    sorted_weights = weights[:, order]
    hits = np.cumsum(sorted_weights * positive[order], axis=1)[:, last]
    return hits, np.cumsum(sorted_weights, axis=1)[:, last]


def _share(part: Floats, whole: NDArray) -> Floats:
    """part / whole, nan where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
