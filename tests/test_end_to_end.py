"""`defectgen run` on a tiny drawn product: every stage through the command line, then again, then killed and again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from defectgen import tracking
from defectgen.cli import main
from defectgen.manifest import Manifest

TINY = """
product: tiny
draw: {product: {class_path: PaintedPart, init_args: {size: 160}}, clean: 12, per_class: 4}
ingest: {source: data/draw/tiny, legal: Foreground}
patch: {crops: 1, good: 8, flips: [vertical]}
train:
  inpaint:
    steps: 4  # from the prior, which draws what is no good surface as it is
    batch: 4
    learning_rate: 1e-5
    validate_every: 2
  upsample:
    network: {class_path: EfficientUNet, init_args: {width: 8, multipliers: [1, 1], blocks: [1, 1]}}
    steps: 2
    batch: 2
    validate_every: 2
  critic: {steps: 4, batch: 4, learning_rate: 0.002}
  likelihood: {steps: 4, batch: 4}
heal: {batch: 4, steps: 4}
plan: {per_class: 2, batch: 4, attempts: 2}
generate:
  steps: 4
  guides: [{class_path: Classifier, init_args: {scale: 2.0}}, Clip]
  gates: [{class_path: Filled, init_args: {limit: 0.0}}, {class_path: Spilled, init_args: {limit: 0.0}}]
"""


def run(workplace: Path) -> int:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(workplace)
        # Tracking is off: its first use makes a data base, which takes longer than all of this.
        patched.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/none.db")
        return main(["run", "--config", "tiny.yaml"])


@pytest.fixture(scope="module")
def recorded() -> list[tuple[Any, ...]]:
    """What was told to the tracking about data sets: name, folder, digest, context, counts."""
    return []


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, recorded: list[tuple[Any, ...]]) -> Path:
    """A folder in which the whole pipeline has run once."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "tiny.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracking, "log_data_set", lambda *told: recorded.append(told))
        assert run(folder) == 0
    return folder


def digest(workplace: Path, stage: str) -> str:
    record: dict[str, str] = json.loads((workplace / "data" / stage / "tiny/done.json").read_text())
    return record["digest"]


def test_a_folder_becomes_a_data_set_and_a_report(workplace: Path) -> None:
    data = workplace / "data"
    assert (data / "report/tiny/report.html").is_file()
    assert json.loads((data / "export/tiny/coco/annotations.json").read_text())["annotations"]
    assert list((data / "export/tiny/mvtec/train").iterdir())
    assert (data / "train/tiny/inpaint/checkpoint/MODEL_CARD.md").is_file()
    assert not (data / "train/tiny/upsample/checkpoint").exists(), "no defect of this product is large"
    assert set(Manifest.load(data / "generate/tiny").instances["drawn_at"]) == {64}
    assert {"healed_id", "mask_path"} <= set(pd.read_parquet(data / "heal/tiny/pairs.parquet"))
    for stage in ("ingest", "patch", "heal", "plan", "generate", "export", "report"):
        assert (data / stage / "tiny/config.yaml").is_file()


def test_real_and_synthetic_data_sets_are_recorded_with_digest_and_counts(
    workplace: Path, recorded: list[tuple[Any, ...]]
) -> None:
    told = {context: (digest_, json.loads(json.dumps(counts))) for _, _, digest_, context, counts in recorded}
    assert told["real"] == (digest(workplace, "ingest"), dict.fromkeys(("crack", "pit", "scratch", "stain"), 4))
    assert told["synthetic"][0] == digest(workplace, "generate")
    assert sum(told["synthetic"][1].values()) > 0


def test_run_again_does_nothing(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(workplace) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert len(lines) == 13
    assert all(line.endswith("unchanged, skipped") for line in lines)


def test_drawn_again_it_is_the_same_data_set(workplace: Path) -> None:
    before = digest(workplace, "generate")
    shutil.rmtree(workplace / "data/generate")
    assert run(workplace) == 0
    assert digest(workplace, "generate") == before


def test_trained_again_after_a_kill_it_is_the_same_data_set(workplace: Path) -> None:
    before = digest(workplace, "generate")
    inpaint = workplace / "data/train/tiny/inpaint"
    (inpaint / "done.json").unlink()
    shutil.rmtree(inpaint / "checkpoint")  # killed between the last step and the checkpoint
    shutil.rmtree(workplace / "data/generate")
    assert run(workplace) == 0
    assert digest(workplace, "generate") == before


@pytest.mark.parametrize(
    "override",
    ["--generate.steps=0", "--plan.batch=0", "--plan.per_class=0", "--train.inpaint.steps=0", "--patch.crops=-1"],
)
def test_a_number_that_makes_no_sense_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert main(["run", "--config", str(tmp_path / "tiny.yaml"), override]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert override.partition("=")[0].lstrip("-") in error
