"""Drawing as `generate` does it: the network alone, and a sample step by step, small or large."""

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from defectgen.attempt import Attempts, Lineage
from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.noise import Schedule
from defectgen.evidence import Bar
from defectgen.imaging.label import Noise
from defectgen.learn.asked import Asked
from defectgen.learn.cascade import Cascade
from defectgen.learn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from defectgen.learn.critic import CrossFitted
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.precision import Precision
from defectgen.learn.upsample import HIGH, Upsampler
from defectgen.manifest import Manifest
from defectgen.nn.classifier import Classifier
from defectgen.painter import LARGEST_LOW, Painter
from defectgen.quality.drawn import Drawn
from defectgen.select import select
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.speed.recipe import LARGE, Folders, Recipe
from defectgen.speed.results import Sample
from defectgen.speed.stopwatch import Contender, Figure, Timed, count_flops, noise

ANYTHING = Noise(low=[1e-6, 1e-6], high=[1e-6, 1e-6])  # every change is a defect


def stored(folder: Path, denoiser: Denoiser, schedule: Schedule, spec: DataSpec, precision: Precision) -> Checkpoint:
    """An untrained checkpoint written and read back, as `generate` gets it."""
    save_checkpoint(folder, denoiser, schedule, spec, precision, "untrained")
    return load_checkpoint(folder)


def denoising(checkpoint: Checkpoint, batch: int) -> Timed:
    """Calls of the denoiser alone; a unit is one patch going once through the network."""
    denoiser, spec = checkpoint.denoiser, checkpoint.spec
    device = next(denoiser.parameters()).device
    half = checkpoint.precision == "bf16-mixed"
    x = noise(batch, spec.channels, spec.size, spec.size, device=device)
    sigma, labels = x.new_ones(batch, dtype=torch.float64), x.new_zeros(batch, dtype=torch.long)
    cond = Condition(torch.zeros_like(x), torch.ones_like(x[:, :1]), labels, len(spec.classes))

    @torch.no_grad()
    def call() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            return denoiser(x, sigma, cond)

    return Timed(call, batch, count_flops(call) / batch)


def drawings(
    recipe: Recipe, folders: Folders, checkpoint: Checkpoint, upsampler: Upsampler
) -> tuple["Drawing", "Drawing"]:
    """The plan's first small defects, a network batch of them; and large ones: their square is a whole demo picture."""
    rows, source = pd.read_parquet(folders.plan / PLAN), Source(Manifest.load(folders.ingest))
    spec = checkpoint.spec
    levels = recipe.schedule.trajectory(recipe.steps)
    inpainter = Inpainter(
        checkpoint.denoiser, levels, len(spec.classes), recipe.solver, recipe.guides, checkpoint.precision
    )

    def drawing(name: str, upsampler: Upsampler | None, rows: pd.DataFrame, flops: Mapping[str, int]) -> Drawing:
        painter, out = Painter(Cascade(inpainter, upsampler), spec), folders.out / name
        critic = CrossFitted([Classifier(spec).eval()], {}, spec, "untrained")
        bar = Bar.measure(out, source, painter, rows, critic, recipe.gates, 0)
        open_bar = Open(ANYTHING, bar.calibration)
        return Drawing(Attempts(out, source, painter, Lineage("untrained"), open_bar), rows, flops)

    sampling, upsampling = _flops_of_sampling(inpainter, spec), _flops_of_upsampling(upsampler, spec)
    small = rows[rows["side"] <= LARGEST_LOW].head(recipe.drawn)
    large = rows.head(LARGE).assign(x=0, y=0, side=HIGH, batch=LARGE)
    return (
        drawing("small", None, small, {"expected": sampling, "sampling": sampling}),
        drawing(
            "large",
            upsampler,
            large,
            {"expected": sampling + upsampling, "sampling": sampling, "upsampling": upsampling},
        ),
    )


class Open(Bar):
    """Labels everything that changed and scores as the gates do, but rejects nothing.

    How untrained networks draw must not decide what is done.
    """

    def judge(self, drawn: Drawn, early: bool = False) -> tuple[dict[str, float], list[str]]:
        return self.calibration.judge(drawn, early)[0], []


class Drawing(Contender):
    """Draws some plan rows together; a unit is one attempt.

    The sample's steps are preparing (pictures read, shapes and regions made), those that `Attempts` times, and select.
    `flops` are those in a unit of the steps that have any.
    """

    def __init__(self, attempts: Attempts, rows: pd.DataFrame, flops: Mapping[str, int]) -> None:
        self.attempts, self.rows = attempts, rows
        counted = {step: Figure(each) for step, each in flops.items()}
        self.steps: dict[str, Figure] = defaultdict(lambda: Figure(0), {"preparing": Figure(0)} | counted)
        self.sample = Sample(self.steps, Figure(sum(flops.values())))

    def go(self) -> None:
        start = time.perf_counter()
        attempts = self.attempts.draw(self.rows)
        drawn = time.perf_counter()
        steps = attempts.filter(like="seconds_")
        select(self.attempts.out, self.attempts.source, attempts.drop(columns=steps))
        selected = time.perf_counter()
        seconds = {str(name).removeprefix("seconds_"): float(total) for name, total in steps.sum().items()}
        seconds = {"preparing": drawn - start - sum(seconds.values())} | seconds | {"select": selected - drawn}
        for step, spent in seconds.items():
            self.steps[step].seconds.append(spent / len(self.rows))
        self.sample.whole.seconds.append((selected - start) / len(self.rows))

    def forget(self) -> None:
        for figure in (self.sample.whole, *self.steps.values()):
            figure.seconds.clear()


def _flops_of_sampling(inpainter: Inpainter, spec: DataSpec) -> int:
    patch, region = _nothing(spec.channels, spec.size), np.ones((1, spec.size, spec.size), bool)
    return count_flops(lambda: inpainter(patch, region, [Asked.only(1, patch[0])], [0]))


def _flops_of_upsampling(upsampler: Upsampler, spec: DataSpec) -> int:
    clean, low = _nothing(spec.channels, HIGH), _nothing(spec.channels, spec.size)
    region = np.ones((1, HIGH, HIGH), bool)
    return count_flops(lambda: upsampler(clean, region, low, [1], [0]))


def _nothing(channels: int, side: int) -> NDArray[np.float32]:
    return np.zeros((1, channels, side, side), np.float32)
