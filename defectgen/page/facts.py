"""Facts of the stages for the page: how long each took and how fast it was, its settings, digests and versions."""

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from defectgen import __version__, outputs
from defectgen.errors import UserError
from defectgen.learn.callbacks import read_curves
from defectgen.page.run import Run

NETWORKS = {"inpaint": "inpainter", "upsample": "upsampler", "critic": "critic"}  # by the step that trains them
PACKAGES = ("torch", "numpy", "opencv-python")


@dataclass(frozen=True)
class Stage:
    """A finished stage: its settings as it wrote them, and what it recorded when it was done."""

    name: str
    folder: Path
    settings: str
    digest: str
    command: str
    seconds: float


@dataclass(frozen=True)
class Speed:
    """How fast a kind of work went: `patches` in `seconds`."""

    work: str
    patches: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.patches / self.seconds


def stages(run: Run) -> list[Stage]:
    """The stages the page was made from, in the order of the pipeline."""
    return [_stage(name, folder) for name, folder in run.folders.items()]


def speeds(run: Run) -> list[Speed]:
    """Patches per second of the trainings and of drawing, from start to end of each."""
    attempts = len(run.drawn.manifest.instances)
    spent = seconds_by_kind(run)
    drawing = Speed("drawing, networks only", attempts, spent["sampling"] + spent.get("upsampling", 0.0))
    trainings = [_training(run.folders[key], f"training the {network}") for key, network in NETWORKS.items()]
    return [speed for speed in (*trainings, drawing) if speed.seconds and speed.patches]


def seconds_by_kind(run: Run) -> dict[str, float]:
    """Kind of work -> seconds it took in `generate`."""
    kinds: dict[str, float] = json.loads((run.folders["generate"] / "seconds.json").read_text())
    return {"sampling": 0.0} | kinds


def versions() -> dict[str, str]:
    """What this page was made with; the stages before it ran with the same unless something was installed since."""
    packages = {package: version(package) for package in PACKAGES}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return {"defectgen": __version__, "python": platform.python_version()} | packages | {"machine": machine}


def seed(run: Run) -> int:
    """The seed everything random followed from."""
    return int(json.loads((run.folders["generate"] / "begun.json").read_text())["run"]["seed"])


def _stage(name: str, folder: Path) -> Stage:
    record = _done(folder)
    settings = (folder / "config.yaml").read_text().partition("\n")[2]  # without the command it begins with
    return Stage(name, folder, settings, record["digest"], record["command"], record["seconds"])


def _training(folder: Path, work: str) -> Speed:
    """Steps by the curves: the settings may give minutes instead."""
    batch = yaml.safe_load((folder / "config.yaml").read_text())["batch"]
    steps = [step for curve in read_curves(folder / "curves.jsonl").values() for step in curve]
    return Speed(work, max(steps, default=0) * batch, _done(folder)["seconds"])


def _done(folder: Path) -> dict[str, Any]:
    record = outputs.done(folder)
    if record is None:
        raise UserError(f"{folder} is not finished; run its stage first")
    return record
