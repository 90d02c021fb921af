"""From trainings to figures: ratios chosen on val, then every trial, then thresholds from val, and only then test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from defectgen.errors import UserError
from defectgen.utility.arms import Arm
from defectgen.utility.bootstrap import differences
from defectgen.utility.choose import best_ratio, thresholds
from defectgen.utility.detector import Detector
from defectgen.utility.figures import Thresholds, defect_probability, figures
from defectgen.utility.study import SEAM, Key
from defectgen.utility.trials import Trial, Trials
from defectgen.utility.types import Reading
from defectgen.utility.verdict import Verdict, of_differences

VAL, TEST, SHAM, UNTOUCHED = "val", "test", "sham", "untouched"  # sets of pictures detectors are asked about


@dataclass(frozen=True)
class Measured:
    """What the study found; figures and differences as `Study` has them.

    detector: whose average precision is the primary endpoint. chosen: columns arm, seed, detector, ratio, decision,
    real_share. test: the readings of the test pictures. seconds: of all trainings together, those that ratios were
    chosen with too.
    """

    detector: str
    figures: pd.DataFrame
    differences: pd.DataFrame
    chosen: pd.DataFrame
    verdict: Verdict
    test: Mapping[Key, Reading]
    seconds: float


def measure(
    trials: Trials,
    arms: Sequence[Arm],
    detectors: Sequence[Detector],
    seeds: int,
    ratios: Sequence[float],
    replicates: int,
    classes: Sequence[str],
) -> Measured:
    """Run the study.

    Raises:
        UserError: no detector tells the classes of pictures, so that there is no endpoint.
    """
    primary = _primary(detectors)
    ratio = {arm.name: _ratio(trials, arm, detectors[0], seeds, ratios) for arm in arms}
    done = _all(trials, arms, detectors, seeds, ratio)
    cuts = {key: thresholds(trial.readings[VAL]) for key, trial in done.items()}
    test = {key: trial.readings[TEST] for key, trial in done.items()}
    tables = []
    for detector in detectors:
        by_arm = {arm.name: [(arm.name, number, detector.name) for number in range(seeds)] for arm in arms}
        mine = {arm: [test[key] for key in keys] for arm, keys in by_arm.items()}
        its_cuts = {arm: [cuts[key] for key in keys] for arm, keys in by_arm.items()}
        tables.append(differences(mine, its_cuts, classes, detector.name, replicates=replicates, seed=trials.seed))
    changes = pd.concat(tables, ignore_index=True)
    first = next(iter(test.values()))
    return Measured(
        detector=primary,
        figures=_figures(done, cuts, classes),
        differences=changes,
        chosen=_chosen(done, cuts, ratio),
        verdict=of_differences(changes, primary, seeds, len(first.picture_ids), len(set(first.groups))),
        test=test,
        seconds=trials.seconds,
    )


def _primary(detectors: Sequence[Detector]) -> str:
    for detector in detectors:
        if detector.tells_classes:
            return detector.name
    raise UserError("evaluate.detectors: none tells the classes of pictures; add ImageClassifier")


def _ratio(trials: Trials, arm: Arm, detector: Detector, seeds: int, ratios: Sequence[float]) -> float:
    """The best of the ratios for an arm, by what the first detector's trainings with all seeds say of val.

    One training's reading of val differs between seeds by more than ratios do.
    """
    if not (arm.defects or arm.good):
        return 0.0
    if len(ratios) == 1:
        return ratios[0]
    readings: dict[float, list[Reading]] = {ratio: [] for ratio in ratios}
    for ratio, number in product(ratios, range(seeds)):
        print(f"  to choose a ratio: seed {number}, {arm.name} at {ratio:g}, {detector.name}", flush=True)
        readings[ratio].append(trials.trial(arm, ratio, str(number), detector, [VAL]).readings[VAL])
    return best_ratio(readings)


def _all(
    trials: Trials, arms: Sequence[Arm], detectors: Sequence[Detector], seeds: int, ratio: Mapping[str, float]
) -> dict[Key, Trial]:
    """Every trial, seed by seed, so that arms can be compared as soon as one seed is through."""
    done: dict[Key, Trial] = {}
    total = seeds * len(arms) * len(detectors)
    asked = [name for name in (VAL, TEST, SHAM, UNTOUCHED) if trials.shown[name]]
    for number in range(seeds):
        for arm in arms:
            for detector in detectors:
                print(f"  [{len(done) + 1}/{total}] seed {number}, {arm.name}, {detector.name}", flush=True)
                trial = trials.trial(arm, ratio[arm.name], str(number), detector, asked)
                done[arm.name, number, detector.name] = trial
    return done


def _figures(done: Mapping[Key, Trial], cuts: Mapping[Key, Thresholds], classes: Sequence[str]) -> pd.DataFrame:
    rows = []
    for (arm, number, detector), trial in done.items():
        found = figures(trial.readings[TEST], classes, cuts[arm, number, detector])
        if SHAM in trial.readings and trial.readings[SHAM].scores is not None:
            found[SEAM, ""] = _told_apart(trial.readings[SHAM], trial.readings[UNTOUCHED])
        rows += [(arm, number, detector, figure, label, value) for (figure, label), value in found.items()]
    return pd.DataFrame(rows, columns=["arm", "seed", "detector", "figure", "label", "value"])


def _told_apart(sham: Reading, untouched: Reading) -> float:
    """How often a repainted clean picture looks more defective than an untouched one (AUROC)."""
    assert sham.scores is not None and untouched.scores is not None
    scores = np.concatenate([defect_probability(sham.scores), defect_probability(untouched.scores)])
    return float(roc_auc_score(np.arange(len(scores)) < len(sham.scores), scores))


def _chosen(done: Mapping[Key, Trial], cuts: Mapping[Key, Thresholds], ratio: Mapping[str, float]) -> pd.DataFrame:
    rows = [(*key, ratio[key[0]], cuts[key].decision, trial.real_share) for key, trial in done.items()]
    return pd.DataFrame(rows, columns=["arm", "seed", "detector", "ratio", "decision", "real_share"])
