"""What watches a training: averaged weights, progress in patches per second, a sheet of samples, the figures' file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, TQDMProgressBar, WeightAveraging
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from lightning.pytorch.loggers import Logger
from torch import Tensor

from defectgen import tracking
from defectgen.imaging.files import write_image
from defectgen.imaging.sheet import Rgb


class ExponentialAverage(WeightAveraging):
    """Exponential moving average of the weights with a ramp for short runs: decay = min(decay, (1 + n) / (10 + n)).

    Lightning validates, checkpoints and ends with the averaged weights.
    """

    def __init__(self, decay: float = 0.999) -> None:
        def average(averaged: tuple[Tensor, ...], current: tuple[Tensor, ...], updates: Tensor | int) -> None:
            ramp = (1 + int(updates)) / (10 + int(updates))
            torch._foreach_lerp_(averaged, current, 1 - min(decay, ramp))

        super().__init__(use_buffers=False, multi_avg_fn=torch.no_grad()(average))

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Also where nothing was left to train, which Lightning's own hook misses."""
        self._copy_average_to_current(module)


class PatchProgress(TQDMProgressBar):
    """The progress bar counts patches: `1280/51200 [00:41<26:38, 31.2patch/s]`."""

    def __init__(self, batch: int) -> None:
        super().__init__(refresh_rate=10)
        self.batch = batch

    def get_metrics(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        """The losses; not Lightning's version number."""
        return {name: value for name, value in super().get_metrics(trainer, module).items() if name != "v_num"}

    def init_train_tqdm(self) -> Tqdm:
        bar = super().init_train_tqdm()
        bar.unit, bar.unit_scale = "patch", self.batch
        return bar


class SampleSheet(Callback):
    """Draws the same sheet at every validation; stands before ExponentialAverage, whose weights are then in place."""

    def __init__(self, folder: Path, draw: Callable[[Any], Rgb]) -> None:
        self.folder, self.draw = folder, draw

    def on_validation_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        path = self.folder / f"step-{trainer.global_step:06d}.png"
        write_image(path, self.draw(module))
        tracking.log_picture(path, "samples", trainer.global_step)


class Curves(Logger):
    """Every logged figure as a line of curves.jsonl, and in MLflow."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return "curves"

    @property
    def version(self) -> str:
        return "0"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        figures = {key: value for key, value in metrics.items() if key != "epoch"}
        done = (step or 0) + 1  # Lightning counts the step that is running, sheets and checkpoints those done
        with self.path.open("a") as file:
            file.write("\n" + json.dumps({"step": done, **figures}))  # a line cut short must not spoil this one
        tracking.log_metrics(figures, done)

    def log_hyperparams(self, *arguments: Any, **keywords: Any) -> None:
        """Nothing: the stage's block is recorded by the pipeline."""


def read_curves(path: Path) -> dict[str, dict[int, float]]:
    """Figure -> step -> value of a curves.jsonl; a resumed step's newer value wins, a line cut short is left out."""
    curves: dict[str, dict[int, float]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            figures = json.loads(line)
        except ValueError:
            continue
        step = figures.pop("step")
        for name, value in figures.items():
            curves.setdefault(name, {})[step] = value
    return curves
