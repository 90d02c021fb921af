"""A finished study made up from random scores, whose figures are known to be consistent with its readings."""

from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from defectgen.utility.figures import Thresholds, figures
from defectgen.utility.study import BASELINE, BASELINES, SEAM, SELECTED, Facts, Study
from defectgen.utility.types import THRESHOLDS, Counts, Picture, Reading
from defectgen.utility.verdict import of_differences, verdict

CLASSES = ["good", "crack", "pit|hole", "stain"]
SKILLS = {"real": 0.8, BASELINE: 1.2, "copy_paste": 1.3, SELECTED: 2.2, "reserve": 3.0}
SEEDS, PICTURES, SIZE = (0, 1, 2), 60, 32
DETECTORS = ("Classifier", "Segmenter")


class MadeArm(NamedTuple):
    name: str
    summary: str


def make_study() -> Study:
    """All arms and detectors; the more skill, the better the scores."""
    readings = {
        (arm, seed, detector): reading(skill, 100 * number + seed, detector)
        for number, (arm, skill) in enumerate(SKILLS.items())
        for seed in SEEDS
        for detector in DETECTORS
    }
    table = figure_table(readings)
    differences = difference_table(table)
    return Study(
        facts=facts(list(readings)),
        detector=DETECTORS[0],
        classes=CLASSES,
        arms=[MadeArm(arm, f"what {arm} adds") for arm in SKILLS],
        figures=table,
        differences=differences,
        fidelity=fidelity(),
        verdict=of_differences(differences, DETECTORS[0], len(SEEDS), PICTURES, PICTURES // 2),
        readings=readings,
    )


def pictures() -> dict[str, Picture]:
    """Those of the readings."""
    rng = np.random.default_rng(0)
    named = truth()
    made = {}
    for number in range(PICTURES):
        classes = np.zeros((SIZE, SIZE), np.uint8)
        if not named[number, 0]:
            classes[8:16, 4 + number // 4 : 12 + number // 4] = named[number].argmax()
        pixels = rng.normal(-0.2, 0.1, (1, SIZE, SIZE)).astype(np.float32) + 0.5 * (classes > 0)
        made[f"picture-{number}"] = Picture(f"picture-{number}", f"g{number // 2}", pixels, classes, named[number])
    return made


def truth() -> np.ndarray:
    return np.eye(len(CLASSES), dtype=bool)[np.arange(PICTURES) % 8 % len(CLASSES)]


def reading(skill: float, seed: int, detector: str) -> Reading:
    rng = np.random.default_rng(seed)
    named = truth()
    logits = rng.normal(0, 1, named.shape) + skill * named
    scores = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    ids, groups = [f"picture-{i}" for i in range(PICTURES)], [f"g{i // 2}" for i in range(PICTURES)]
    return Reading(ids, groups, named, scores, counts(scores, named) if detector == "Segmenter" else None)


def counts(scores: np.ndarray, named: np.ndarray) -> Counts:
    """As if every picture had 16 pixels of its class among 64, of which a share as large as its score is found."""
    positives = np.where(named, 16, 0).astype(np.int64)
    positives[:, 0] = np.where(named[:, 0], 0, 16)
    shown = scores.copy()
    shown[:, 0] = 1 - scores[:, 0]
    reached = (shown[..., None] >= THRESHOLDS).astype(np.int64)
    hits = reached * positives[..., None]
    return Counts(positives, np.full(PICTURES, 64), hits, hits + 8 * reached)


def figure_table(readings: dict[tuple[str, int, str], Reading]) -> pd.DataFrame:
    rows = []
    for (arm, seed, detector), each in readings.items():
        found = figures(each, CLASSES, Thresholds(0.5, np.full(len(CLASSES), 23)))
        found[SEAM, ""] = 0.5 if arm == "real" else 0.6
        rows += [(arm, seed, detector, figure, label, value) for (figure, label), value in found.items()]
    return pd.DataFrame(rows, columns=["arm", "seed", "detector", "figure", "label", "value"])


def difference_table(table: pd.DataFrame) -> pd.DataFrame:
    means = table.groupby(["arm", "detector", "figure", "label"])["value"].mean()
    rows = []
    for (arm, detector, figure, label), value in means.items():
        for baseline in BASELINES:
            if arm != baseline:
                base = means[baseline, detector, figure, label]
                change = value - base
                low, high = change - 0.08, change + 0.08
                answer = verdict(low, high)
                rows.append((arm, baseline, detector, figure, label, value, base, change, low, high, answer))
    columns = ["arm", "baseline", "detector", "figure", "label", "value", "baseline_value"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "low", "high", "verdict"])


def facts(keys: list[tuple[str, int, str]]) -> Facts:
    chosen = pd.DataFrame(keys, columns=["arm", "seed", "detector"])
    chosen = chosen.assign(
        ratio=[0.25 + 0.25 * (key[0] == SELECTED) for key in keys],
        decision=[0.5 + key[1] / 10 for key in keys],
        real_share=[0.75 - 0.25 * (key[0] == SELECTED) for key in keys],
    )
    counted = [(split, label, 10 + len(split), 5) for split in ("test", "train", "val") for label in CLASSES]
    return Facts(
        product="tile & co",
        made=date(2026, 11, 21),
        commit="0123abc",
        versions={"defectgen": "0.1.0", "torch": "2.13"},
        command="defectgen evaluate --config tile.yaml",
        size=SIZE,
        detectors={detector: {"steps": 1200, "batch": 16} for detector in DETECTORS},
        seeds=SEEDS,
        counts=pd.DataFrame(counted, columns=["split", "label", "pictures", "groups"]),
        chosen=chosen,
        seam_pairs=12,
        seconds={"training": 3725.0, "reading": 12.0},
    )


def fidelity() -> pd.DataFrame:
    """One figure that orders the arms as their skill does, and one that does not."""
    rows = []
    for number, (arm, skill) in enumerate(SKILLS.items()):
        rows.append((arm, "texture", "Frechet", "", 1 / skill, 0.1, 0.02))
        rows.append((arm, "critic", "coverage", "", (0.5, 0.2, 0.9, 0.4, 0.6)[number], 0.8, 0.1))
        rows.append((arm, "texture", "Frechet", "crack", 99.0, 0.1, 0.02))
    return pd.DataFrame(rows, columns=["arm", "features", "figure", "label", "value", "real_value", "real_spread"])
