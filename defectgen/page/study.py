"""What the page shows of the study whether the data set helps: the verdict, the arms, the charts."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from defectgen.utility.figures import PRIMARY
from defectgen.utility.study import (
    BASELINE,
    CHART_FOLDER,
    CHARTS,
    DIFFERENCE_TABLE,
    FIGURE_TABLE,
    PAGE,
    signed,
    title,
)
from defectgen.utility.verdict import Verdict, load

HEADINGS = {
    "helps": "It helps",
    "hurts": "It hurts",
    "no difference": "It makes no difference",
    "inconclusive": "The study cannot tell",
    "not measured": "Not measured",
}
CAPTIONS = {
    "differences": f"What each arm changes, beside “{BASELINE}”",
    "precision_recall": "Precision over recall, class by class",
    "confusion": "What the pictures of each class are called",
    "worst": "The worst mistakes that remain, with how many of the seeds made them",
}


@dataclass(frozen=True)
class ArmRow:
    """An arm by the primary endpoint: mean over the seeds, and beside the baseline where it is not the baseline."""

    name: str
    value: float
    difference: str
    state: str


@dataclass(frozen=True)
class Measured:
    """A folder of the stage evaluate, as far as it holds a study.

    charts: caption -> data URI. figures: arm -> figure -> mean over the seeds, over all classes.
    """

    folder: Path
    verdict: Verdict
    arms: list[ArmRow]
    charts: dict[str, str]
    figures: dict[str, dict[str, float]]

    @classmethod
    def load(cls, folder: Path) -> "Measured":
        """Read what is there.

        Raises:
            UserError: there is no verdict.
        """
        figures, differences = _table(folder / FIGURE_TABLE), _table(folder / DIFFERENCE_TABLE)
        paths = {name: folder / CHART_FOLDER / f"{name}.png" for name in CHARTS}
        charts = {CAPTIONS[name]: _uri(path) for name, path in paths.items() if path.is_file()}
        means = _means(figures)
        return cls(folder, load(folder), _arms(means, differences), charts, means)

    @property
    def heading(self) -> str:
        """The verdict in a word or two."""
        return HEADINGS[self.verdict.state]

    @property
    def reason(self) -> str:
        """What the verdict rests on."""
        return self.verdict.sentence.removeprefix(f"{self.verdict.state}: ")

    @property
    def page(self) -> Path:
        """The study in full."""
        return self.folder / PAGE

    @property
    def endpoint(self) -> str:
        """What the figure of the arms is called."""
        return title(PRIMARY)

    def metrics(self) -> dict[str, Any]:
        """The verdict and the figures as plain builtins."""
        return {"state": self.verdict.state, "sentence": self.verdict.sentence, "figures": self.figures}


def _table(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.is_file() else None


def _means(figures: pd.DataFrame | None) -> dict[str, dict[str, float]]:
    """Over all classes; what could not be measured is left out."""
    if figures is None or figures.empty:
        return {}
    means: dict[str, dict[str, float]] = {}
    rows = _verdict_rows(figures).dropna(subset="value")
    for (arm, figure), value in rows.groupby(["arm", "figure"], sort=False)["value"].mean().items():
        means.setdefault(str(arm), {})[str(figure)] = float(value)
    return means


def _arms(means: dict[str, dict[str, float]], differences: pd.DataFrame | None) -> list[ArmRow]:
    """The arms that have the primary endpoint, in the order of the study."""
    compared: dict[str, pd.Series] = {}
    if differences is not None and not differences.empty:
        rows = _verdict_rows(differences).query("figure == @PRIMARY and baseline == @BASELINE")
        compared = {str(row["arm"]): row for _, row in rows.iterrows()}
    return [
        ArmRow(arm, found[PRIMARY], signed(compared[arm]), str(compared[arm]["verdict"]))
        if arm in compared
        else ArmRow(arm, found[PRIMARY], "–", "–")
        for arm, found in means.items()
        if PRIMARY in found
    ]


def _verdict_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Over all classes, of the detector of the verdict: the first that has the primary endpoint."""
    detector = table.loc[table["figure"] == PRIMARY, "detector"].iloc[0]
    return table[(table["label"] == "") & (table["detector"] == detector)]


def _uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
