"""What a user finds in MLflow after a run, and that tracking can neither be needed by the work nor stop it."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import yaml
from PIL import Image
from recorded import WAITING, artifacts, client, recorded, statuses

from defectgen import tracking
from defectgen.tracking.server import HOST, PID, STARTED

BLOCK = {"steps": 1600, "schedule": "Cosine", "flips": ["h", "v"]}
CONFIG = {"product": "tile", "seed": 0, "train": {"inpaint": BLOCK}}

CRASH = """
import json, os, sys
from pathlib import Path
from defectgen import tracking
from defectgen.tracking.server import HOST, PID, STARTED
imported = "mlflow" in sys.modules
with tracking.pipeline_run("crashed", {}, Path("data/tracking")), tracking.stage_run("train.inpaint", {}):
    from mlflow.telemetry.utils import is_telemetry_disabled
    print(json.dumps({"imported_early": imported, "telemetry": not is_telemetry_disabled()}), flush=True)
    os._exit(1)
"""


def test_uri_is_absolute_by_default_and_obeys_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking.tracking_uri() == f"sqlite:///{here}/data/mlflow.db"
    assert tracking.ui_command() == f"mlflow ui --backend-store-uri sqlite:///{here}/data/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.factory:5000")
    assert tracking.tracking_uri() == tracking.ui_command() == "http://tracking.factory:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////my disk/mlflow.db")
    assert tracking.ui_command() == "mlflow ui --backend-store-uri 'sqlite:////my disk/mlflow.db'"


def test_stages_are_nested_in_the_product_and_carry_their_parameters(tracked: Path) -> None:
    with tracking.pipeline_run("tile", CONFIG, WAITING):
        with tracking.stage_run("train.inpaint", BLOCK):
            pass
        with tracking.stage_run("plan", {}):
            pass
    runs = recorded()
    assert statuses() == dict.fromkeys(["tile", "train.inpaint", "plan"], "FINISHED")
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    assert parents == {"tile": None, "train.inpaint": runs["tile"].info.run_id, "plan": runs["tile"].info.run_id}
    assert runs["tile"].data.params == {
        "product": "tile",
        "seed": "0",
        "train.inpaint.steps": "1600",
        "train.inpaint.schedule": "Cosine",
        "train.inpaint.flips": '["h", "v"]',
    }
    assert runs["train.inpaint"].data.params == {"steps": "1600", "schedule": "Cosine", "flips": '["h", "v"]'}
    assert runs["plan"].data.metrics["seconds"] >= 0


def test_config_survives_whole_beside_the_data_base(tracked: Path) -> None:
    """More parameters than one MLflow batch, a value above its limit, a path, an odd key: nothing is lost."""
    many = {f"k{i}": i for i in range(250)}
    config = {"many": many, "long": "x" * 7000, "source": Path("a/b"), "Riß (tief)": 1, "Riß [tief]": None}
    with tracking.pipeline_run("tile", config, WAITING):
        pass
    run = recorded()["tile"]
    stored = Path(run.info.artifact_uri) / "config.yaml"
    assert stored.is_relative_to(tracked / "data/mlartifacts")
    assert yaml.safe_load(stored.read_text()) == {**config, "source": "a/b"}
    assert len(run.data.params) == 253
    assert run.data.params["many.k249"] == "249"
    assert run.data.params["long"] == "x" * 6000
    assert run.data.params["Riß _tief_"] == "null"
    assert [entry.name for entry in tracked.iterdir()] == ["data"], "nothing is written outside data/"


def test_metrics_go_to_the_innermost_run_with_their_steps(tracked: Path) -> None:
    with tracking.pipeline_run("tile", {}, WAITING):
        with tracking.stage_run("train", {}):
            for step, loss in [(10, 0.5), (20, math.nan), (30, 0.25)]:
                tracking.log_metrics({"val/loss": loss, "recall@0.5": 1.0}, step)
        tracking.log_metrics({"accepted": 12})
    runs = recorded()
    history = [(m.step, m.value) for m in client().get_metric_history(runs["train"].info.run_id, "val/loss")]
    assert history == [(10, 0.5), (20, pytest.approx(math.nan, nan_ok=True)), (30, 0.25)]
    assert runs["train"].data.metrics["recall_0.5"] == 1.0
    assert runs["tile"].data.metrics == {"accepted": 12.0}


def test_system_metrics_watch_the_product_and_not_the_stages(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.02")
    with tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
        seen = any("system/cpu_utilization_percentage" in recorded()["tile"].data.metrics for _ in range(500))
    assert seen
    assert set(recorded()["train"].data.metrics) == {"seconds"}


def test_data_set_is_an_input_with_digest_context_and_counts(tracked: Path) -> None:
    digest = "0123456789abcdef" * 4
    folder = tracked / "data/ingest/tile"
    folder.mkdir(parents=True)
    with tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
        tracking.log_data_set("tile", folder, digest, "train", {"crack": 19, "good": 300})
    (used,) = recorded()["train"].inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("tile", digest[:36])
    assert json.loads(used.dataset.profile) == {"crack": 19, "good": 300}
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "train"}
    import mlflow.data

    assert mlflow.data.get_source(used.dataset).load() == str(folder)


def test_pictures_and_files_are_kept_with_the_run(tracked: Path) -> None:
    Image.new("L", (8, 6), 77).save(tracked / "sheet.png")
    with tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
        tracking.log_picture(tracked / "sheet.png", "samples/划痕", step=400)
        tracking.log_artifact(tracked / "sheet.png")
    run = recorded()["train"]
    assert sorted(artifacts(run)) == ["images", "sheet.png"]
    (picture,) = [name for name in artifacts(run, "images") if name.endswith(".png")]
    assert picture.startswith("samples~__+step+400+")
    with Image.open(Path(run.info.artifact_uri) / "images" / picture) as image:
        assert image.size == (8, 6) and image.getpixel((0, 0)) == 77


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")]
)
def test_status_tells_how_the_run_ended(tracked: Path, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
        raise error
    assert statuses() == {"tile": status, "train": status}
    assert "seconds" in recorded()["train"].data.metrics


def test_runs_of_a_killed_process_are_closed_by_the_next_one(tracked: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
    crash = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=False)
    assert crash.stderr == "", "nothing but our own output reaches the user"
    assert json.loads(crash.stdout) == {"imported_early": False, "telemetry": False}
    assert statuses() == {"crashed": "RUNNING", "train.inpaint": "RUNNING"}
    experiment = client().get_experiment_by_name("defectgen").experiment_id
    host, started = socket.gethostname(), psutil.Process().create_time()
    owners = [("elsewhere", "other", 1, 0), ("id reused", host, os.getpid(), 0), ("living", host, os.getpid(), started)]
    for name, *owner in owners:
        tags = dict(zip([HOST, PID, STARTED], map(str, owner), strict=True))
        client().create_run(experiment, run_name=name, tags=tags)
    with tracking.pipeline_run("next", {}, WAITING):
        pass
    assert statuses() == {
        "crashed": "KILLED",
        "train.inpaint": "KILLED",
        "id reused": "KILLED",
        "elsewhere": "RUNNING",
        "living": "RUNNING",
        "next": "FINISHED",
    }


def test_without_a_run_nothing_happens(here: Path) -> None:
    with tracking.stage_run("train", {"steps": 1}):
        tracking.log_metrics({"loss": 1.0}, 1)
        tracking.log_artifact(here / "missing")
        tracking.log_picture(here / "missing.png", "samples", 1)
        tracking.log_data_set("tile", here, "0" * 64, "train")
    assert list(here.iterdir()) == []


def test_named_data_base_is_used_instead_of_the_default(
    here: Path, empty_data_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "shared disk").mkdir()
    shutil.copy(empty_data_base, here / "shared disk/runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{here}/shared disk/runs.db")
    with tracking.pipeline_run("tile", {"seed": 1}, WAITING):
        pass
    assert artifacts(recorded()["tile"]) == ["config.yaml"]
    assert [entry.name for entry in here.iterdir()] == ["shared disk"]


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:{port}", "sqlite:////dev/null/x.db", "sqlite:////dev", "sqlite:///garbage.db", "odd://x"]
)
def test_unusable_server_costs_one_warning_and_no_work(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, uri: str
) -> None:
    (here / "garbage.db").write_bytes(b"no data base " * 100)
    with socket.socket() as closed:  # bound and not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        uri = uri.format(port=closed.getsockname()[1])
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        done = []
        with tracking.pipeline_run("tile", CONFIG, WAITING), tracking.stage_run("train", {}):
            tracking.log_metrics({"loss": 1.0})
            done.append("work")
    assert done == ["work"]
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert uri in warning.getMessage() and "\n" not in warning.getMessage()


def test_what_the_server_refuses_is_left_out_and_costs_one_warning(
    tracked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
        tracking.log_metrics({"before": 1.0})
        (tracked / "data/mlartifacts").rename(tracked / "data/lost")
        (tracked / "data/mlartifacts").touch()
        tracking.log_artifact(tracked / "data/mlflow.db")
        tracking.log_artifact(tracked / "data/mlflow.db")
        tracking.log_metrics({"after": 1.0})
    (warning,) = caplog.records
    assert "refused" in warning.getMessage()
    assert statuses() == {"tile": "FINISHED", "train": "FINISHED"}
    assert set(recorded()["train"].data.metrics) == {"before", "after", "seconds"}
    assert not WAITING.exists()
