"""Twenty random moments of death, and a tracking server that dies in the middle of a run and comes back.

Run by hand (about ten minutes); the moments are written to reports/sudden_death.md:

    .venv/bin/python -m pytest -m slow tests/test_sudden_death_slow.py
"""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deaths import PATIENCE, UNTRACKED, Run, digests, workplace

from defectgen.learn.callbacks import read_curves
from defectgen.tracking.server import EXPERIMENT

REPORT = Path(__file__).parents[1] / "reports/sudden_death.md"
SEED = 4
INPAINT, CRITIC, GENERATE = "train/tiny/inpaint", "train/tiny/critic", "generate/tiny"
BEFORE = {
    INPAINT: ("draw", "ingest", "patch"),
    CRITIC: ("draw", "ingest", "patch"),
    GENERATE: ("draw", "ingest", "patch", "train", "plan"),
}
MOMENTS = [INPAINT] * 8 + [CRITIC] * 2 + [GENERATE] * 10

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing happened."""
    folder = workplace(tmp_path_factory.mktemp("undisturbed"))
    assert command(folder).wait() == 0
    return folder


def command(folder: Path) -> subprocess.Popen[bytes]:
    """`defectgen run`, started from nothing as a user would."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": UNTRACKED, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "defectgen.cli", "run", "--config", "tiny.yaml"]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)


def test_killed_at_twenty_random_moments_it_ends_with_the_same_digests(undisturbed: Path, tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(SEED), []
    for number, stage in enumerate(MOMENTS, 1):
        lasts = seconds(undisturbed, stage)
        folder, after = die(undisturbed, tmp_path / f"{number}", stage, rng, lasts)
        found = remains(folder / "data" / stage)
        assert command(folder).wait() == 0, (folder / "run.log").read_text()
        same = digests(folder) == digests(undisturbed)
        place = stage.replace("/tiny", "").replace("/", ".")
        rows.append([str(number), place, f"{after:.2f} of {lasts:.2f}", found, "the same" if same else "OTHERS"])
    write(rows, digests(undisturbed))
    assert [row[-1] for row in rows] == ["the same"] * len(MOMENTS)


def die(template: Path, folder: Path, stage: str, rng: np.random.Generator, lasts: float) -> tuple[Path, float]:
    """Kill a run at a random moment of a stage; the folder it leaves, and how long the stage had run."""
    for attempt in range(20):
        place = workplace(folder / str(attempt), template, BEFORE[stage])
        if stage == CRITIC:
            workplace(place, template, ("train/tiny/inpaint",))
        run = command(place)
        while not (place / "data" / stage / "begun.json").exists():
            assert run.poll() is None, (place / "run.log").read_text()
            time.sleep(0.001)
        start, moment = time.perf_counter(), rng.uniform(0, lasts)
        time.sleep(moment)
        run.kill()
        after = time.perf_counter() - start
        if run.wait() == -signal.SIGKILL and not (place / "data" / stage / "done.json").exists():
            return place, after
    raise AssertionError(f"{stage} was never caught alive")


def seconds(folder: Path, stage: str) -> float:
    """How long a stage took, from its first file to its last."""
    files = [(folder / "data" / stage / name).stat().st_mtime for name in ("begun.json", "done.json")]
    return files[1] - files[0]


def remains(folder: Path) -> str:
    """What the killed process left."""
    found = []
    for path in sorted(folder.glob("resume/*.ckpt")):
        found.append(f"{path.stem} of step {torch.load(path, weights_only=True)['global_step']}")
    if shards := list(folder.glob("shards/*.parquet")):
        found.append(f"{len(shards)} of 8 shards")
    if crops := list(folder.glob("crops/*.png")):
        found.append(f"{len(crops)} crops and labels")
    if pictures := list(folder.glob("images/*.png")):
        found.append(f"{len(pictures)} of 16 pictures")
    if half := list(folder.rglob(".tmp-*")):
        found.append(f"{len(half)} half a file")
    return ", ".join(found) or "nothing"


def write(rows: list[list[str]], made: dict[str, str]) -> None:
    """What stands between the report's two markers."""
    before, start, rest = REPORT.read_text().partition("<!-- measured -->\n")
    _, end, after = rest.partition("<!-- /measured -->\n")
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning"))
    machine = f"{os.cpu_count()} x {platform.machine()} CPU, {platform.system()} {platform.release()}"
    head = [["", "killed in", "seconds into it", "found afterwards", "digests"], ["--:", "---", "---", "---", "---"]]
    ends = ", ".join(f"{stage} `{made[stage][:16]}`" for stage in (INPAINT, CRITIC, GENERATE))
    parts = [
        f"Measured on {date.today()} with Python {platform.python_version()}, {packages}; {machine}; seed {SEED}.",
        "\n".join("| " + " | ".join(row) + " |" for row in [*head, *rows]),
        f"Digests of the undisturbed run: {ends}.",
    ]
    REPORT.write_text(before + start + "\n\n".join(parts) + "\n" + end + after)


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[None]:
    """A tracking server on a data base in a folder; on leaving it is killed with all its workers."""
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/runs.db"]
    words += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *words], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        limit = time.monotonic() + PATIENCE
        while not is_healthy(port):
            assert server.poll() is None and time.monotonic() < limit, (folder / "server.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_tracking_server_that_dies_and_comes_back_has_all_figures_with_their_steps(
    undisturbed: Path, tmp_path: Path
) -> None:
    """It dies in the training and comes back in generate; then it dies for good, and the next run tells the rest."""
    folder = workplace(tmp_path / "tracked", undisturbed, ("draw", "ingest", "patch"))
    (store := tmp_path / "store").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    with mlflow_server(store, port):
        run = Run(folder, "run", halts_at=["curves.jsonl", "shards/00003.parquet", "report.html"], tracking=uri)
        run.halted()
    run.go_on()
    run.halted()
    with mlflow_server(store, port):
        run.go_on()
        run.halted()
    run.go_on()
    assert run.ended() == 0, run.output()
    assert digests(folder) == digests(undisturbed)
    (warning,) = [line for line in run.output().splitlines() if "MLflow at" in line]
    assert "does not answer; the work goes on" in warning
    with mlflow_server(store, port):
        assert Run(folder, "run", tracking=uri).ended() == 0
        check_record(uri, folder)
    assert list((folder / "data/tracking").iterdir()) == []


def check_record(uri: str, folder: Path) -> None:
    """Everything that the run left on the disk is in the record."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs: dict[str, Any] = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    trainings = ["train.inpaint", "train.upsample", "train.critic"]
    names = ["tiny", *trainings, "plan", "generate", "evaluate", "report", "export"]
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(names, "FINISHED")
    for name in ("inpaint", "critic"):
        for figure, curve in read_curves(folder / f"data/train/tiny/{name}/curves.jsonl").items():
            told = client.get_metric_history(runs[f"train.{name}"].info.run_id, figure.replace("+", "_"))
            assert {point.step: point.value for point in told} == pytest.approx(curve), figure
    assert runs["generate"].data.metrics["accepted/crack"] > 0
    kept = [entry.path for entry in client.list_artifacts(runs["report"].info.run_id)]
    assert "report.html" in kept
    times = [runs[name].info.start_time for name in names]
    assert times == sorted(times) and runs["report"].info.end_time <= runs["tiny"].info.end_time
