"""Runs of `defectgen` as processes of their own, which tests stop, kill and start again.

They are forked from a server that has imported the stages once, because a start from nothing takes ten seconds.
"""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from defectgen.steps import STEPS

TINY = """
product: tiny
draw: {product: {class_path: PaintedPart, init_args: {size: 160}}, clean: 12, per_class: 4}
ingest: {source: data/draw/tiny, legal: Foreground, fractions: {train: 0.5, val: 0.5, test: 0, reserve: 0}}
patch: {crops: 1, good: 8, flips: [vertical]}
train:
  inpaint:
    network: {class_path: UNet, init_args: {width: 8, multipliers: [1, 2], attention: []}}
    init_from: none
    steps: 36
    batch: 2
    warmup: 4
    validate_every: 16
  critic: {steps: 4, batch: 4}
plan: {per_class: 4, per_picture: 1, batch: 2, attempts: 2, pictures_per_shard: 2}
generate:
  steps: 2
  guides: [Clip]
  gates: [{class_path: Filled, init_args: {limit: 0.0}}, {class_path: Spilled, init_args: {limit: 0.0}}]
"""
UNTRACKED = "sqlite:////dev/null/none.db"
PATIENCE = 120  # seconds until a test gives up on a process

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["defectgen.config", *(step.target.partition(":")[0] for step in STEPS)])


class Run:
    """A command in a process of its own, its working directory `folder`."""

    def __init__(self, folder: Path, *words: str, halts_at: Sequence[str] = (), tracking: str = UNTRACKED) -> None:
        """Start it; right before it opens or renames a file to a path with one of these ends, in order, it halts."""
        self.log = folder / f"{time.time_ns()}.log"
        environment = {"MLFLOW_TRACKING_URI": tracking, "OMP_NUM_THREADS": "1"}
        self.process = _SERVER.Process(target=_main, args=(folder, self.log, words, environment, list(halts_at)))
        self.process.start()
        assert self.process.pid
        self.pid = self.process.pid

    def ended(self) -> int:
        """Wait for the end; its exit code, negative for the signal that killed it."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, f"still running after {PATIENCE} s: {self.output()}"
        return self.process.exitcode

    def halted(self) -> None:
        """Wait until it has halted itself."""
        limit = time.monotonic() + PATIENCE
        while psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
            assert self.process.is_alive(), f"it ended before: {self.output()}"
            assert time.monotonic() < limit, f"it takes over {PATIENCE} s: {self.output()}"
            time.sleep(0.01)

    def kill(self, number: int) -> int:
        """Where it has halted, send a signal to end; the exit code."""
        self.halted()
        os.kill(self.pid, number)
        self.go_on()
        return self.ended()

    def go_on(self) -> None:
        """No longer halt here."""
        os.kill(self.pid, signal.SIGCONT)

    def output(self) -> str:
        """Both of its streams."""
        return self.log.read_text() if self.log.exists() else ""

    def errors(self) -> list[str]:
        """What it said when it gave up; a traceback would show here too."""
        lines = self.output().splitlines()
        return [line for line in lines if line.startswith(("defectgen: ", "Traceback"))]


def _main(folder: Path, log: Path, words: tuple[str, ...], environment: dict[str, str], places: list[str]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    torch.set_num_threads(1)  # the server has imported torch: it does not look at OMP_NUM_THREADS again

    def halt(event: str, arguments: tuple[object, ...]) -> None:
        if places and event in ("open", "os.rename") and any(str(path).endswith(places[0]) for path in arguments[:2]):
            places.pop(0)
            os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(halt)
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from defectgen.cli import main

    code = main([*words, "--config", "tiny.yaml"])
    sys.stdout.flush()
    sys.exit(code)


def workplace(folder: Path, template: Path | None = None, stages: tuple[str, ...] = ()) -> Path:
    """A folder to run in, with the outputs that some stages have left in another one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(TINY)
    for stage in stages:
        assert template
        shutil.copytree(template / "data" / stage, folder / "data" / stage)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Stage -> digest of what it made, of the finished ones."""
    records = sorted((folder / "data").rglob("done.json"))
    return {str(path.parent.relative_to(folder / "data")): json.loads(path.read_text())["digest"] for path in records}


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file below a folder, locks and the processes' own logs left out."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".log")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}
