"""`defectgen sweep` on a tiny drawn product, three cells, then again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from defectgen import tracking
from defectgen.cli import main
from defectgen.imaging.files import write_image
from defectgen.imaging.read import read_image
from defectgen.painter import Painter

TINY = """
product: tiny
draw: {product: {class_path: PaintedPart, init_args: {size: 160}}, clean: 8, per_class: 4}
ingest: {source: data/draw/tiny, legal: Foreground, fractions: {train: 0.5, val: 0.25, test: 0.25, reserve: 0.0}}
patch: {crops: 1, good: 8, flips: [vertical]}
train:
  inpaint:
    network: {class_path: UNet, init_args: {width: 32, multipliers: [1, 1]}}
    init_from: none
    steps: 2
    batch: 4
    validate_every: 2
  critic: {steps: 2, batch: 4}
plan: {per_class: 3, batch: 4, attempts: 1}
generate: {steps: 3, gates: [{class_path: Filled, init_args: {limit: 0.0}}]}
"""
CELLS = {
    "default": "cell: {condition type: scalable, steps: 3, solver: DDPM}",
    "heun": "cell: {solver: Heun}\ngenerate: {solver: Heun}",
    "told": "cell: {condition type: conditional}\ntrain: {inpaint: {label_dropout: 0.0}}\ngenerate: {guides: [Clip]}",
    "few_shot": "ingest: {shots: 1}",
}
PER_CLASS, CLASSES, SEEDS = 2, 4, 2


def run(workplace: Path, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(workplace)
        # Tracking is off: its first use makes a data base, which takes longer than all of this.
        patched.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/none.db")
        return main(["sweep", "tiny.yaml", "--cells", "cells", f"--per_class={PER_CLASS}", f"--seeds={SEEDS}", *words])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the sweep has run once."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "cells").mkdir()
    for name, text in CELLS.items():
        (folder / f"cells/{name}.yaml").write_text(text)
    assert run(folder) == 0
    return folder


@pytest.fixture
def swept(workplace: Path) -> Path:
    return workplace / "data/sweep/tiny"


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of a painter was asked for."""
    asked: list[int] = []
    low: Callable[..., object] = Painter.low

    def counted(self: Painter, jobs: list[object], *rest: object) -> object:
        asked.append(len(jobs))
        return low(self, jobs, *rest)

    monkeypatch.setattr(Painter, "low", counted)
    return asked


def test_every_cell_has_its_figures_for_every_sampling_seed(swept: Path) -> None:
    table = pd.read_parquet(swept / "sweep.parquet")
    assert set(zip(table["cell"], table["seed"], strict=True)) == {
        (cell, seed) for cell in ("default", "heun", "told") for seed in range(SEEDS)
    }
    assert (table["ms"] > 0).all() and table["passed"].between(0, 1).all() and table["saturation"].between(0, 1).all()
    assert table.groupby("cell")["fill"].nunique().eq(SEEDS).all(), "another sampling seed draws something else"
    assert set(table["condition type"]) == {"scalable", "conditional"} and set(table["steps"]) == {"3"}


def test_guidance_counts_two_and_heun_asks_at_both_ends_of_all_steps_but_the_last(swept: Path) -> None:
    calls = pd.read_parquet(swept / "sweep.parquet").groupby("cell")["calls"].unique()
    assert {cell: list(counted) for cell, counted in calls.items()} == {
        "default": [2 * 3],
        "heun": [2 * (2 * 3 - 1)],
        "told": [3],
    }


def test_a_training_of_its_own_lies_beside_those_of_the_sweep(workplace: Path, swept: Path) -> None:
    assert len(list((swept / "networks").glob("inpaint-*/checkpoint"))) == 2, "that of the default is Heun's too"
    assert not (workplace / "data/train/tiny/inpaint").exists(), "the product's own place is left alone"


def test_the_page_shows_each_line_once_with_its_sheet(swept: Path) -> None:
    page = (swept / "sweep.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("###")] == ["### condition type", "### solver"]
    for axis in ("condition_type", "solver"):
        assert f"](sheets/{axis}.png)" in page
        assert read_image(swept / f"sheets/{axis}.png").shape[0] == 18 + (2 + 2) * 130, "ground, donor and two cells"
    assert "real, held out" in page and "few_shot" not in page


def test_every_cell_is_recorded_with_its_figures_to_be_compared(
    workplace: Path, swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[tuple[str, dict[str, Any]]]()
    monkeypatch.setattr(tracking, "_tell", lambda kind, **values: told.append((kind, values)))
    assert run(workplace) == 0
    assert told == [], "nothing new, nothing recorded"
    (swept / "sweep.parquet").unlink()
    assert run(workplace) == 0
    runs = [values for kind, values in told if kind == "start"]
    assert [each["name"] for each in runs] == ["tiny sweep", "default", "heun", "told"]
    assert runs[0]["parent"] is None and all(each["parent"] for each in runs[1:])
    means = pd.read_parquet(swept / "sweep.parquet").groupby("cell")["fill"].mean()
    figures = [values["metrics"]["fill"] for kind, values in told if kind == "metrics" and "fill" in values["metrics"]]
    assert figures == list(means[["default", "heun", "told"]])
    solvers = [values["parameters"].get("solver") for kind, values in told if kind == "parameters"]
    assert solvers[1:] == ["DDPM", "Heun", "DDPM"]
    kept = {Path(values["path"]).name for kind, values in told if kind == "file"}
    assert kept == {"sweep.md", "sweep.parquet", "sheets"}


def test_a_sheet_of_cells_that_are_no_more_goes(workplace: Path, swept: Path) -> None:
    write_image(swept / "sheets/backbone.png", np.zeros((4, 4, 3), np.uint8))
    assert run(workplace) == 0
    assert sorted(path.name for path in (swept / "sheets").iterdir()) == ["condition_type.png", "solver.png"]


def test_run_again_draws_and_trains_nothing(
    workplace: Path, swept: Path, painted: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = (swept / "sweep.parquet").read_bytes(), (swept / "sweep.md").read_text()
    assert run(workplace) == 0
    assert painted == []
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert lines and all(line.endswith("unchanged, skipped") for line in lines)
    assert before == ((swept / "sweep.parquet").read_bytes(), (swept / "sweep.md").read_text())


def test_a_changed_cell_alone_is_drawn_again_against_the_same_bar(
    workplace: Path, swept: Path, painted: list[int]
) -> None:
    heun, before = workplace / "cells/heun.yaml", pd.read_parquet(swept / "sweep.parquet")
    heun.write_text("cell: {solver: Heun}\ngenerate: {solver: Heun, steps: 4}")
    try:
        assert run(workplace) == 0
    finally:
        heun.write_text(CELLS["heun"])
    assert painted == [1, *[PER_CLASS * CLASSES] * SEEDS], "one to count the calls, then the set by each seed"
    after = pd.read_parquet(swept / "sweep.parquet")
    others = before["cell"] != "heun"
    pd.testing.assert_frame_equal(before[others], after[others])
    assert set(after.loc[~others, "calls"]) == {2 * (2 * 4 - 1)}
