"""Everything a reader of the study may ask for, and how its figures are called and looked up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pandas as pd

from defectgen.utility.figures import FIGURES, PRIMARY
from defectgen.utility.types import Reading
from defectgen.utility.verdict import Verdict

BASELINE, SELECTED = "augmented", "selected"  # arms: of every verdict, exported
BASELINES = (BASELINE, "real", "copy_paste")  # arms that all others are compared with, where they were run
SEAM = "seam_auroc"  # figure: how well a detector tells shams from the same pictures untouched
PAGE, CHART_FOLDER = "utility.md", "charts"
FIGURE_TABLE, DIFFERENCE_TABLE, FIDELITY_TABLE = "figures.parquet", "differences.parquet", "fidelity.parquet"
CHARTS = ("differences", "precision_recall", "confusion", "worst")  # each a PNG in the folder of charts
Key = tuple[str, int, str]  # arm, seed, detector


class Arm(Protocol):
    """What is told of an arm."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


@dataclass(frozen=True)
class Facts:
    """How the study was done.

    commit: of defectgen, "" where it was installed. size: side of the detectors' pictures in pixels.
    detectors: name -> settings, the same in every arm.
    counts: columns split, label ("good" too), pictures, groups.
    chosen: columns arm, seed, detector, ratio (share of added pictures among the draws) and decision (defect
        probability from which a picture is called defective), both chosen on val, and real_share (of all defect draws).
    seam_pairs: clean pictures the seam was read on. seconds: kind of work -> time it took.
    """

    product: str
    made: date
    commit: str
    versions: Mapping[str, str]
    command: str
    size: int
    detectors: Mapping[str, Mapping[str, object]]
    seeds: Sequence[int]
    counts: pd.DataFrame
    chosen: pd.DataFrame
    seam_pairs: int
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Study:
    """The finished study of one product; every figure is of the split test.

    detector: the one whose average precision is the primary endpoint. classes: "good" first, in order of their numbers.
    figures: columns arm, seed, detector, figure, label ("" = over all classes), value.
    differences: columns arm, baseline, detector, figure, label, value, baseline_value, difference, low, high, verdict.
    fidelity: columns arm, features, figure, label, value, real_value, real_spread.
    readings: what each detector of each arm and seed said of the test pictures.
    """

    facts: Facts
    detector: str
    classes: Sequence[str]
    arms: Sequence[Arm]
    figures: pd.DataFrame
    differences: pd.DataFrame
    fidelity: pd.DataFrame
    verdict: Verdict
    readings: Mapping[Key, Reading]

    @property
    def labels(self) -> list[str]:
        """The defect classes."""
        return list(self.classes[1:])

    def detectors(self, figures: Sequence[str]) -> list[str]:
        """Those that were measured by any of the figures, in the order they come in the table."""
        return list(self.figures.loc[self.figures["figure"].isin(figures), "detector"].unique())

    def means(self, figure: str, detector: str) -> pd.DataFrame:
        """Mean over the seeds: a row per arm that has it, in order, a column per label ("" = over all classes)."""
        found = self.figures[(self.figures["figure"] == figure) & (self.figures["detector"] == detector)]
        means = found.pivot_table(index="arm", columns="label", values="value", aggfunc="mean", dropna=False)
        return means.reindex([arm.name for arm in self.arms if arm.name in means.index])

    @property
    def baselines(self) -> list[str]:
        """Those of BASELINES that were run."""
        return [baseline for baseline in BASELINES if (self.differences["baseline"] == baseline).any()]

    def endpoint(self, baseline: str = BASELINE) -> pd.DataFrame:
        """Differences of the primary endpoint, over all classes and per class."""
        table = self.differences
        wanted = (table["figure"] == PRIMARY) & (table["detector"] == self.detector) & (table["baseline"] == baseline)
        return table[wanted]

    def of_seeds(self, arm: str) -> list[tuple[int, Reading]]:
        """The readings of the primary detector, by seed."""
        found = [(key[1], reading) for key, reading in self.readings.items() if key[::2] == (arm, self.detector)]
        return sorted(found, key=lambda each: each[0])

    def decision(self, arm: str, seed: int) -> float:
        """Defect probability from which the primary detector calls a picture defective."""
        table = self.facts.chosen
        chosen = table[(table["arm"] == arm) & (table["seed"] == seed) & (table["detector"] == self.detector)]
        return float(chosen["decision"].iloc[0])


def title(figure: str) -> str:
    """What a figure is called at the head of a column; an arrow where less is better."""
    return FIGURES[figure].name + ("" if FIGURES[figure].higher_is_better else " ↓")


def signed(row: pd.Series) -> str:
    """A difference with its interval, where it has one, as people read it: +0.031 [-0.012, +0.074]."""
    interval = "no interval" if pd.isna(row["low"]) else f"{row['low']:+.3f}, {row['high']:+.3f}"
    return "–" if pd.isna(row["difference"]) else f"{row['difference']:+.3f} [{interval}]"
