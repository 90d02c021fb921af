"""What the prior is worth: held-out loss against training time, started from it and from nothing.

Run by hand; each training takes ten or five minutes of one core, so that two cores can train two at once. What is there
is kept, so that the study can be made in parts; the tables and curves are written to reports/prior.md and
reports/prior.png from what is there:

    .venv/bin/python -m pytest -m slow tests/test_prior_slow.py -k "magnetic_tile and 5-"
    .venv/bin/python -m pytest -m slow tests/test_prior_slow.py -k report
"""

from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from defectgen import pipeline
from defectgen.config import Settings, read_settings
from defectgen.learn.callbacks import read_curves
from defectgen.learn.checkpoint import CHECKPOINT, CONFIG
from defectgen.markdown import tabulated
from defectgen.speed.machine import describe_machine
from defectgen.steps import STEPS

ROOT = Path(__file__).parents[1]
DATA, REPORTS = ROOT / "data/prior_study", ROOT / "reports"
PRODUCTS, SHOTS, SEEDS = ("magnetic_tile", "screw", "ball_screw"), ("5", "3", "10", "all"), (0, 1, 2)
STARTS = ("none", "prior")
LENGTH = {"none": 1100, "prior": 550}  # steps: about ten minutes of one core, and five
EVERY = 100  # steps between two points of a curve
MOMENTS = (1.0, 2.0, 5.0, 10.0)  # minutes of training that the table tells
FEW = "5"  # shots at which the prior must reach in two minutes what nothing reaches in ten

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Unit:
    """One training."""

    product: str
    shots: str
    seed: int
    start: str

    @property
    def folder(self) -> Path:
        return DATA / self.start / "train" / f"{self.product}_{self.shots}_{self.seed}" / "inpaint"

    def settings(self) -> Settings:
        """As a user would write them, so that `defectgen run` with the same words goes on from there."""
        words = {
            "data": DATA / self.start,
            "product": f"{self.product}_{self.shots}_{self.seed}",
            "seed": self.seed,
            "ingest.shots": "null" if self.shots == "all" else self.shots,
            "train.inpaint.init_from": self.start,
            "train.inpaint.steps": LENGTH[self.start],
            "train.inpaint.validate_every": EVERY,
        }
        overrides = [word for name, value in words.items() for word in (f"--{name}", str(value))]
        return read_settings(Path(f"configs/{self.product}.yaml"), "run", overrides, STEPS)

    def run(self) -> None:
        settings = self.settings()
        pipeline.run(settings, [step for step in settings.steps if step.key in ("ingest", "patch", "inpaint")])

    def curve(self) -> pd.Series:
        """Masked v-loss on val by step: the same weights of the levels whatever sigma_data a network is scaled by."""
        spec = yaml.safe_load((self.folder / CHECKPOINT / CONFIG).read_text())["spec"]
        levels = read_curves(self.folder / "curves.jsonl")
        parts = []
        for name, values in levels.items():
            if name.startswith("val/loss_sigma_"):
                sigma = float(name.removeprefix("val/loss_sigma_"))
                parts.append(pd.Series(values) * (1 + sigma**-2) / (spec["sigma_data"] ** -2 + sigma**-2))
        return pd.concat(parts, axis=1).mean(axis=1).sort_index()


UNITS = [Unit(*words) for words in product(PRODUCTS, SHOTS, SEEDS, STARTS)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.product}-{unit.shots}-seed{unit.seed}-{unit.start}")
def test_a_training(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    unit.run()
    assert unit.curve().notna().all()


def test_report_and_what_it_must_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    curves = read_all()
    rows = []
    for (name, shots), found in curves.groupby(["product", "shots"], sort=False):
        rows.append([name, shots, str(found["seed"].nunique()), *told(found)])
    header = ["product", "pictures a class", "seeds"]
    header += [f"{start}, {moment:g} min" for start in STARTS for moment in MOMENTS] + [
        "prior reaches nothing's end in"
    ]
    (REPORTS / "prior.png").write_bytes(drawn(curves))
    page = REPORTS / "prior.md"
    written = page.read_text() if page.is_file() else ""
    page.write_text(
        PAGE.format(
            date=date.today(),
            processor=describe_machine()["processor"],
            torch=version("torch"),
            **LENGTH,
            every=EVERY,
            table=tabulated(header, rows),
        )
        + "".join(written.partition(ANALYSIS)[1:])
    )
    few = curves[curves["shots"] == FEW]
    for name, found in few.groupby("product"):
        assert minutes_to_reach(found) <= 2, f"{name}: see reports/prior.md"
        ends = {start: at(found, start, found["minutes"].max()) for start in STARTS}
        assert ends["prior"] < ends["none"], f"{name}: see reports/prior.md"


ANALYSIS = "## What we make of it"  # written by hand; kept when the page is made anew
PAGE = """# What the prior is worth

Masked v-loss on the defects of the split val (by group, fixed noise, five levels), mean over the seeds told, by minutes
of training on one core: from the shipped prior ("prior") and from nothing ("none"). {date}, {processor}, torch {torch};
{none} steps from nothing, {prior} from the prior, the learning rate falling over all of them; sigma_data is the prior's
or the product's own. Minutes include validation and sample sheets; after its end a training keeps its last value. The
first value is that of step {every}: what is reached "in" its time is reached by then at the latest.

{table}

![curves](prior.png)

"""


def read_all() -> pd.DataFrame:
    """Columns product, shots, seed, start, minutes, loss of every finished pair of trainings."""
    parts = []
    for unit in UNITS:
        if (unit.folder / CHECKPOINT / CONFIG).is_file():
            curve = unit.curve()
            seconds = yaml.safe_load((unit.folder / "spent.json").read_text())["seconds"]
            minutes = curve.index.to_numpy() * seconds / LENGTH[unit.start] / 60
            parts.append(pd.DataFrame({**vars(unit), "minutes": minutes, "loss": curve.to_numpy()}))
    assert parts, f"no finished training in {DATA}"
    curves = pd.concat(parts, ignore_index=True)
    pairs = curves.groupby(["product", "shots", "seed"])["start"].transform("nunique") == len(STARTS)
    return curves[pairs].reset_index(drop=True)


def at(found: pd.DataFrame, start: str, minutes: float) -> float:
    """Mean over the seeds of the loss after so many minutes."""
    mine = found[found["start"] == start]
    return float(np.mean([np.interp(minutes, one["minutes"], one["loss"]) for _, one in mine.groupby("seed")]))


def minutes_to_reach(found: pd.DataFrame) -> float:
    """When the prior's mean loss first is what nothing ends with."""
    goal = at(found, "none", found["minutes"].max())
    first = found.loc[found["start"] == "prior", "minutes"].min()
    reached = [
        minutes for minutes in np.linspace(first, found["minutes"].max(), 500) if at(found, "prior", minutes) <= goal
    ]
    return reached[0] if reached else np.inf


def told(found: pd.DataFrame) -> list[str]:
    values = [f"{at(found, start, moment):.4f}" for start in STARTS for moment in MOMENTS]
    return [*values, f"{minutes_to_reach(found):.1f} min"]


def drawn(curves: pd.DataFrame) -> bytes:
    """A panel for each product and number of shots, a line for each training."""
    pairs = list(curves.groupby(["product", "shots"], sort=False))
    columns = min(3, len(pairs))
    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(4 * columns, 3.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for ((name, shots), found), axes in zip(pairs, panels, strict=False):
        for start, colour in zip(STARTS, ("#9db4c6", "#2f8f5b"), strict=True):
            mine = found[found["start"] == start].groupby("seed")
            for number, (_, one) in enumerate(mine):
                axes.plot(one["minutes"], one["loss"], color=colour, label=f"from {start}" if number == 0 else None)
        axes.set(title=f"{name}, {shots} a class", xlabel="minutes of training", ylabel="held-out loss", yscale="log")
        axes.legend(frameon=False)
    for axes in panels:  # those that are left
        axes.set_axis_off()
    buffer = BytesIO()
    figure.savefig(buffer, dpi=90)
    return buffer.getvalue()
