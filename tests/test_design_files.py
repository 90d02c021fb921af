"""Every file of configs/design at tiny size on a drawn product in colour: cells by a sweep, methods by a command."""

from pathlib import Path

import pandas as pd
import pytest

from defectgen.cli import main
from defectgen.learn.checkpoint import CARD, CHECKPOINT, load_checkpoint
from defectgen.manifest import Manifest
from defectgen.source import Source
from defectgen.yaml_file import CELL, read_yaml

DESIGN = Path(__file__).parent.parent / "configs/design"
FILES = {path.stem: path for path in sorted(DESIGN.glob("*.yaml"))}
CELLS = [name for name, path in FILES.items() if CELL in read_yaml(path)]

PARTS = """
product: parts
draw: {product: {class_path: PaintedPart, init_args: {size: 160}}, clean: 8, per_class: 4}
ingest: {source: data/draw/parts, legal: Foreground, fractions: {train: 0.5, val: 0.25, test: 0.25, reserve: 0.0}}
patch: {crops: 1, good: 8, flips: [vertical]}
train:
  inpaint: {steps: 2, batch: 2, learning_rate: 1e-5, validate_every: 2}
  upsample:
    network: {class_path: EfficientUNet, init_args: {width: 8, multipliers: [1, 1], blocks: [1, 1]}}
    steps: 2
    batch: 2
    validate_every: 2
  critic: {steps: 2, batch: 4}
plan: {per_class: 1, batch: 4, attempts: 1}
generate: {steps: 6, gates: [{class_path: Filled, init_args: {limit: 0.0}}]}
"""
TINY = {  # settings of a method's own step, made small
    "restore_jpeg": ["--train.restore.steps=2", "--train.restore.batch=2", "--train.restore.sampling_steps=2"],
    "heal": ["--heal.steps=3"],
    "other_class": [],
    "few_shot": ["--train.inpaint.steps=2", "--train.inpaint.batch=2"],
}
TINY |= dict.fromkeys(("restore_uncropping", "restore_colorization"), TINY["restore_jpeg"])


def run(workplace: Path, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(workplace)
        # Tracking is off: its first use makes a data base, which takes longer than all of this.
        patched.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/none.db")
        return main(words)


def overlaid(workplace: Path, command: str, name: str, *words: str) -> int:
    """A command with a file of the design over the product."""
    return run(workplace, command, "--config", "parts.yaml", "--with", str(FILES[name]), *TINY[name], *words)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the product is ready to be trained on, and its own networks are trained."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "parts.yaml").write_text(PARTS)
    for command in ("draw", "ingest", "patch", "train"):
        assert run(folder, command, "--config", "parts.yaml") == 0
    return folder


def test_the_design_has_twenty_files_and_no_method_is_without_its_run_here() -> None:
    assert len(FILES) >= 20 and set(FILES) == {*CELLS, *TINY}


def test_every_cell_draws_and_stands_on_the_page(workplace: Path) -> None:
    assert run(workplace, "sweep", "parts.yaml", "--cells", str(DESIGN), "--per_class=1", "--seeds=1") == 0
    swept = workplace / "data/sweep/parts"
    table = pd.read_parquet(swept / "sweep.parquet").set_index("cell")
    assert set(table.index) == set(CELLS) and (table["calls"] > 0).all()
    calls = table["calls"]
    assert calls["steps_50"] == 5 * calls["steps_10"] == 10 * calls["steps_5"]
    assert calls["repaint"] > calls["whole"] and calls["unconditional"] * 2 == calls["default"]
    page = (swept / "sweep.md").read_text()
    assert [name for name in CELLS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", ["restore_jpeg", "restore_uncropping", "restore_colorization"])
def test_a_restoration_is_trained_and_measured(workplace: Path, name: str) -> None:
    assert overlaid(workplace, "train", name) == 0
    restored = pd.read_parquet(workplace / "data/train/parts/restore/restored.parquet")
    assert len(restored) and restored[["psnr", "psnr_trivial"]].notna().all(axis=None)


def test_defects_are_healed_and_planned_on(workplace: Path) -> None:
    assert overlaid(workplace, "heal", "heal") == overlaid(workplace, "plan", "heal") == 0
    healed = Manifest.load(workplace / "data/heal/parts")
    pairs = pd.read_parquet(workplace / "data/heal/parts/pairs.parquet")
    source = Source(Manifest.load(workplace / "data/ingest/parts"))
    assert set(pairs["instance_id"]) == set(source.defects("train").index)
    called_good = (pairs["status"] == "accepted").groupby(pairs["healed_id"]).all()
    assert set(healed.images["image_id"]) == set(called_good.index[called_good])


def test_defects_change_class(workplace: Path) -> None:
    assert overlaid(workplace, "plan", "other_class") == overlaid(workplace, "generate", "other_class") == 0
    drawn = Manifest.load(workplace / "data/generate/parts").instances
    source = Source(Manifest.load(workplace / "data/ingest/parts"))
    assert (source.instances.loc[drawn["donor_id"], "label"].to_numpy() != drawn["label"]).all()
    assert (drawn["status"] != "failed").any()


def test_a_new_class_is_taught_to_the_products_own_network(workplace: Path) -> None:
    new = ("--product=new", "--ingest.source=data/draw/new")
    assert run(workplace, "draw", "--config", "parts.yaml", *new) == 0
    folder = workplace / "data/draw/new"
    for crack in (folder / "crack", folder / "ground_truth/crack"):
        crack.rename(crack.with_name("dent"))
    calls = folder / "metadata.csv"
    calls.write_text(calls.read_text().replace("crack", "dent"))
    for command in ("ingest", "patch"):
        assert run(workplace, command, "--config", "parts.yaml", *new) == 0
    assert overlaid(workplace, "train", "few_shot", *new) == 0
    checkpoint = workplace / "data/train/new/inpaint" / CHECKPOINT
    assert load_checkpoint(checkpoint).spec.classes == ["good", "crack", "pit", "scratch", "stain", "dent"]
    assert "to preserve crack, pit, scratch, stain" in (checkpoint / CARD).read_text()
