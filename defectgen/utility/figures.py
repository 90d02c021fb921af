"""The figures of one reading: how well a detector of one arm and seed does on the pictures of one split.

Class 0 is "good". A picture's defect probability is 1 - p(good). Decision rule: below a threshold the picture is called
good, otherwise the most probable defect class. A figure that the split cannot tell (a class without a picture, no good
picture) is nan, "missing", and a missing class is left out of every mean over classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score, roc_curve

from defectgen.utility import weighted
from defectgen.utility.types import Counts, Reading

PRIMARY = "average_precision"
MISSING = float("nan")
Figures = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Figure:
    """What a figure is called, what it says to people and which way is better."""

    name: str
    sentence: str
    higher_is_better: bool


FIGURES: dict[str, Figure] = {
    "average_precision": Figure(
        "average precision",
        "How purely the pictures that score highest for a defect class show that class; mean over the classes.",
        True,
    ),
    "macro_f1": Figure(
        "macro-F1",
        "Harmonic mean of precision and recall of the calls, mean over good and the defect classes; a picture of "
        "several classes is right when it is called one of them.",
        True,
    ),
    "balanced_accuracy": Figure(
        "balanced accuracy",
        "Share of the pictures called right, mean over good and the defect classes.",
        True,
    ),
    "auroc": Figure("AUROC", "How often a defective picture scores above a good one, whatever the class.", True),
    "false_alarms_at_full_recall": Figure(
        "false alarms at full recall",
        "Share of the good pictures flagged when the line is set so that every defect of this split is caught.",
        False,
    ),
    "miss_rate_at_1pct": Figure(
        "miss rate at 1 % false alarms",
        "Share of the defective pictures missed when at most 1 % of this split's good pictures are flagged.",
        False,
    ),
    "miss_rate_at_5pct": Figure(
        "miss rate at 5 % false alarms",
        "Share of the defective pictures missed when at most 5 % of this split's good pictures are flagged.",
        False,
    ),
    "pixel_average_precision": Figure(
        "pixel average precision",
        "How purely the pixels that score highest are defect; over all classes together, and class by class.",
        True,
    ),
    "dice": Figure("Dice", "Overlap of the called with the true pixels of a class; mean over the classes.", True),
}


@dataclass(frozen=True)
class Thresholds:
    """Where the calls of one (arm, seed) begin, chosen on val (`choose.thresholds`).

    decision: defect probability from which a picture is called defective. dice: (K,) index into `THRESHOLDS` from which
    a pixel is called of the class.
    """

    decision: float
    dice: NDArray[np.intp]


def figures(
    reading: Reading, labels: Sequence[str], thresholds: Thresholds, weights: NDArray[np.float64] | None = None
) -> Figures:
    """Every figure the reading can tell: (figure, class, or "" for all together) -> value in [0, 1], nan = missing.

    labels: the K classes, "good" first. weights: (N,), how often each picture counts; once each if not given.
    The alarm figures are points of the ROC of this very split, not of a line set on val.
    """
    weights = np.ones(len(reading.truth)) if weights is None else weights
    drawn = weights > 0
    found: Figures = {}
    if reading.scores is not None:
        found |= _of_scores(reading.truth[drawn], reading.scores[drawn], labels, thresholds.decision, weights[drawn])
    if reading.counts is not None:
        found |= _of_counts(reading.counts, labels, thresholds.dice, weights[None])
    return found


def endpoint(reading: Reading) -> float:
    """What a detector is judged by: the primary endpoint; of one without scores, its pixel average precision."""
    weights = np.ones(len(reading.truth))
    if reading.scores is not None:
        return mean_over_classes(average_precisions(reading.truth, reading.scores, weights))
    if reading.counts is not None:
        positives, hits, calls = (
            part[:, 0] for part in (reading.counts.positives, reading.counts.hits, reading.counts.calls)
        )
        return float(weighted.pixel_average_precision(positives, hits, calls, weights[None])[0])
    return MISSING


def defect_probability(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 - p(good) of each picture: scores (N, K); returns (N,)."""
    return 1 - scores[:, 0].astype(np.float64)


def call(scores: NDArray[np.float32], decision: float) -> NDArray[np.intp]:
    """The decision rule: scores (N, K); returns (N,) class numbers, 0 = good."""
    return np.where(defect_probability(scores) < decision, 0, 1 + scores[:, 1:].argmax(axis=1))


def of_calls(truth: NDArray[np.bool_], calls: NDArray[np.intp], weights: NDArray[np.float64]) -> Figures:
    """Macro-F1 and balanced accuracy over the classes present: truth (N, K), calls and weights (N,), above 0.

    How a picture of several classes is counted says `weighted.shares`.
    """
    present = np.flatnonzero(truth.any(axis=0))
    if not present.size:
        return {("macro_f1", ""): MISSING, ("balanced_accuracy", ""): MISSING}
    picture, true, called, share = weighted.shares(truth, calls)
    counting = {"labels": present, "average": "macro", "sample_weight": share * weights[picture], "zero_division": 0.0}
    return {
        ("macro_f1", ""): float(f1_score(true, called, **counting)),
        ("balanced_accuracy", ""): float(recall_score(true, called, **counting)),
    }


def mean_over_classes(values: Sequence[float]) -> float:
    """Mean of those that are not missing; missing if all are."""
    return float(weighted.macro(np.array(values, dtype=np.float64)[:, None])[0])


def average_precisions(
    truth: NDArray[np.bool_], scores: NDArray[np.float32], weights: NDArray[np.float64]
) -> list[float]:
    """One-vs-rest average precision of each defect class: truth and scores (N, K), weights (N,); K - 1 values."""
    return [
        float(average_precision_score(truth[:, k], scores[:, k], sample_weight=weights))
        if truth[:, k].any()
        else MISSING
        for k in range(1, truth.shape[1])
    ]


def _of_scores(
    truth: NDArray[np.bool_],
    scores: NDArray[np.float32],
    labels: Sequence[str],
    decision: float,
    weights: NDArray[np.float64],
) -> Figures:
    purity = average_precisions(truth, scores, weights)
    found = _by_class(PRIMARY, labels, purity) | {(PRIMARY, ""): mean_over_classes(purity)}
    found |= of_calls(truth, call(scores, decision), weights)
    return found | _of_line(~truth[:, 0], defect_probability(scores), weights)


def _of_line(defective: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]) -> Figures:
    """What the line is run by: defect against good, whatever the class."""
    names = ("auroc", "false_alarms_at_full_recall", "miss_rate_at_1pct", "miss_rate_at_5pct")
    if defective.all() or not defective.any():
        return {(name, ""): MISSING for name in names}
    alarms, caught, _ = roc_curve(defective, score, sample_weight=weights, drop_intermediate=False)
    values = (
        roc_auc_score(defective, score, sample_weight=weights),
        alarms[caught >= caught[-1]].min(),
        1 - caught[alarms <= 0.01].max(),
        1 - caught[alarms <= 0.05].max(),
    )
    return {(name, ""): float(value) for name, value in zip(names, values, strict=True)}


def _of_counts(counts: Counts, labels: Sequence[str], dice: NDArray[np.intp], weights: NDArray[np.float64]) -> Figures:
    purity, overlap = [], []
    for k, index in enumerate(dice):
        positives, hits, calls = counts.positives[:, k], counts.hits[:, k], counts.calls[:, k]
        purity.append(float(weighted.pixel_average_precision(positives, hits, calls, weights)[0]))
        overlap.append(float(weighted.dice(positives, hits[:, index], calls[:, index], weights)[0]))
    found = _by_class("pixel_average_precision", labels, purity[1:]) | _by_class("dice", labels, overlap[1:])
    return found | {("pixel_average_precision", ""): purity[0], ("dice", ""): mean_over_classes(overlap[1:])}


def _by_class(name: str, labels: Sequence[str], values: Sequence[float]) -> Figures:
    return {(name, label): value for label, value in zip(labels[1:], values, strict=True)}
