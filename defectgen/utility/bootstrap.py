"""Intervals of the difference between two arms, by resampling test groups and seeds jointly.

Replicate b draws as many test groups as there are, with replacement and whole (a cluster bootstrap; Davison & Hinkley
1997, ch. 3), and independently as many seeds as there are (a pigeonhole bootstrap of the two crossed factors; Owen
2007). A picture counts as often as its group was drawn; seed s of one arm is compared with seed s of the other:

    difference_b = mean over the drawn seeds s of  figure(arm, s; weights_b) - figure(baseline, s; weights_b)

The interval is the 2.5 % and 97.5 % quantile over b. It covers the detectors' training seeds and the choice of test
parts; not the generator's seed, nor the choice of the training parts, which all arms and seeds share. With one seed
it covers the test parts alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.utility import weighted
from defectgen.utility.figures import PRIMARY, Figures, Thresholds, call, defect_probability, figures
from defectgen.utility.study import BASELINES
from defectgen.utility.types import Counts, Reading
from defectgen.utility.verdict import verdict

VALUES = ["value", "baseline_value", "difference", "low", "high", "verdict"]
COLUMNS = ["arm", "baseline", "detector", "figure", "label", *VALUES]
INTERVAL = (2.5, 97.5)  # per cent
FEWEST = 5  # test groups of a class: of three, an interval misses the truth four times as often as it says
Floats = NDArray[np.float64]
Replicated = dict[tuple[str, str], Floats]  # (figure, label) -> (B,)


@dataclass(frozen=True)
class Draws:
    """What B replicates drew, the same for every arm.

    weights: (B, N) how often each picture counts. seeds: (B, S) share of each seed, rows sum to 1.
    """

    weights: Floats
    seeds: Floats


def draw(groups: Sequence[str], seeds: int, replicates: int, seed: int) -> Draws:
    """Draw groups and seeds with replacement; depends on the set of groups, not on the order of the pictures."""
    names, group = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    random = np.random.default_rng(seed)
    drawn_groups = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    drawn_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates)
    return Draws(drawn_groups[:, group].astype(np.float64), drawn_seeds / seeds)


def differences(
    test: Mapping[str, Sequence[Reading]],
    thresholds: Mapping[str, Sequence[Thresholds]],
    labels: Sequence[str],
    detector: str,
    baselines: Sequence[str] = BASELINES,
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every arm against every baseline that was run, with 95 % intervals, for one detector.

    A replicate without a picture of a class leaves the class out of the mean over classes, in both arms alike. A
    class seen on fewer than FEWEST test groups has no interval (nan): so few say little of how others would do.

    Args:
        test: per arm the readings of test, by seed; all of the same pictures in the same order.
        thresholds: per arm the thresholds chosen on val, by seed.
        labels: the K classes, "good" first.
        detector: its name, for the column.
        baselines: the arms to compare with; those that were not run are passed over.
        replicates: B.
        seed: of the resampling.

    Returns:
        COLUMNS, one row per (arm, baseline, figure, label), label "" = all classes together; nan = missing.

    Raises:
        ValueError: the arms differ in pictures or in the number of seeds.
    """
    first = _same_pictures(test)
    draws = draw(first.groups, len(next(iter(test.values()))), replicates, seed)
    arms = _measure(test, thresholds, labels, draws)
    parts = _parts(first, labels)
    rows = [
        (
            arm,
            baseline,
            detector,
            figure,
            label,
            *_compare(arms[arm], arms[baseline], (figure, label), draws, parts[label]),
        )
        for baseline in baselines
        if baseline in arms
        for arm in arms
        if arm != baseline
        for figure, label in arms[arm].replicates
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Measured:
    """The figures of one arm: values, mean over the seeds; replicates (S, B), by seed."""

    values: Figures
    replicates: dict[tuple[str, str], Floats]


def _measure(
    test: Mapping[str, Sequence[Reading]],
    thresholds: Mapping[str, Sequence[Thresholds]],
    labels: Sequence[str],
    draws: Draws,
) -> dict[str, Measured]:
    progress = tqdm(total=sum(map(len, test.values())), desc="intervals", unit="reading", disable=None)
    measured = {}
    with progress:
        for arm, readings in test.items():
            values, replicates = [], []
            for reading, chosen in zip(readings, thresholds[arm], strict=True):
                values.append(figures(reading, labels, chosen))
                replicates.append(replicate(reading, labels, chosen, draws.weights))
                progress.update()
            stacked = {key: np.stack([one[key] for one in replicates]) for key in replicates[0]}
            measured[arm] = Measured({key: float(np.mean([one[key] for one in values])) for key in stacked}, stacked)
    return measured


def replicate(reading: Reading, labels: Sequence[str], thresholds: Thresholds, weights: Floats) -> Replicated:
    """The figures that are given intervals, of one reading: weights (B, N); (figure, label) -> (B,), nan = missing."""
    found: Replicated = {}
    if reading.scores is not None:
        purity = [
            weighted.average_precision(reading.truth[:, k], reading.scores[:, k], weights)
            for k in range(1, len(labels))
        ]
        found = {(PRIMARY, label): values for label, values in zip(labels[1:], purity, strict=True)}
        table = weighted.confusion(reading.truth, call(reading.scores, thresholds.decision), weights)
        found[PRIMARY, ""] = weighted.macro(np.stack(purity))
        found["macro_f1", ""] = weighted.macro_f1(table)
        found["balanced_accuracy", ""] = weighted.balanced_accuracy(table)
        found["auroc", ""] = weighted.auroc(~reading.truth[:, 0], defect_probability(reading.scores), weights)
    return found if reading.counts is None else found | _of_counts(reading.counts, thresholds, weights)


def _of_counts(counts: Counts, thresholds: Thresholds, weights: Floats) -> Replicated:
    overlap = [
        weighted.dice(counts.positives[:, k], counts.hits[:, k, index], counts.calls[:, k, index], weights)
        for k, index in enumerate(thresholds.dice)
    ]
    any_defect = (counts.positives[:, 0], counts.hits[:, 0], counts.calls[:, 0])
    return {
        ("pixel_average_precision", ""): weighted.pixel_average_precision(*any_defect, weights),
        ("dice", ""): weighted.macro(np.stack(overlap[1:])),
    }


def _compare(
    arm: Measured, baseline: Measured, key: tuple[str, str], draws: Draws, parts: int
) -> tuple[float, float, float, float, float, str]:
    """The columns from value on."""
    value, reference = arm.values[key], baseline.values[key]
    gain = (draws.seeds.T * (arm.replicates[key] - baseline.replicates[key])).sum(axis=0)
    measured = gain[np.isfinite(gain)]
    low, high = np.percentile(measured, INTERVAL).tolist() if measured.size and parts >= FEWEST else (np.nan, np.nan)
    return value, reference, value - reference, low, high, verdict(low, high)


def _parts(reading: Reading, labels: Sequence[str]) -> dict[str, int]:
    """How many test groups show each class; of "", all."""
    groups = np.array(reading.groups, dtype=np.str_)
    shown = {label: len(np.unique(groups[reading.truth[:, k]])) for k, label in enumerate(labels)}
    return shown | {"": len(np.unique(groups))}


def _same_pictures(test: Mapping[str, Sequence[Reading]]) -> Reading:
    """Any of the readings, once it is sure that all are of the same pictures."""
    if len({len(readings) for readings in test.values()}) != 1:
        raise ValueError("the arms must have the same number of seeds, at least one")
    first, *others = [reading for readings in test.values() for reading in readings]
    for other in others:
        if (other.picture_ids, other.groups) != (first.picture_ids, first.groups):
            raise ValueError("the readings must be of the same pictures in the same order")
    return first
