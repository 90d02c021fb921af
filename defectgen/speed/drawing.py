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

from defectgen.attempt import HIGH, LARGEST_LOW, Attempts, Lineage
from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.noise import Schedule
from defectgen.imaging.label import Noise
from defectgen.learn.cascade import Cascade
from defectgen.learn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import inpainting
from defectgen.learn.precision import Precision
from defectgen.learn.upsample import Upsampler
from defectgen.manifest import Manifest
from defectgen.quality.gates import Drawn, Gate
from defectgen.select import select
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.speed.recipe import LARGE, Folders, Recipe
from defectgen.speed.results import Sample
from defectgen.speed.stopwatch import Contender, Figure, Timed, count_flops, noise

ANYTHING = Noise(low=0, high=0)  # every change is a defect: what an untrained network draws must not count as empty


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
    cond = inpainting(x, torch.ones_like(x[:, :1]), labels, len(spec.classes))

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
    spec, gates = checkpoint.spec, [Scored(gate) for gate in recipe.gates]
    levels = recipe.schedule.trajectory(recipe.steps)
    inpainter = Inpainter(
        checkpoint.denoiser, levels, len(spec.classes), recipe.solver, recipe.guides, checkpoint.precision
    )

    def drawing(name: str, upsampler: Upsampler | None, rows: pd.DataFrame, flops: Mapping[str, int]) -> Drawing:
        cascade = Cascade(inpainter, upsampler)
        return Drawing(
            Attempts(folders.out / name, source, cascade, spec, Lineage("untrained"), gates, rows), rows, flops
        )

    sampling = {"sampling": _flops_of_sampling(inpainter, spec)}
    small = rows[rows["side"] <= LARGEST_LOW].head(recipe.drawn)
    large = rows.head(LARGE).assign(x=0, y=0, side=HIGH, batch=LARGE)
    return (
        drawing("small", None, small, sampling),
        drawing("large", upsampler, large, sampling | {"upsampling": _flops_of_upsampling(upsampler, spec)}),
    )


class Scored(Gate):
    """Scores as a gate does and lets everything pass: how untrained networks draw should not decide what is done."""

    reason = "never"

    def __init__(self, gate: Gate) -> None:
        self.gate, self.reason = gate, gate.reason

    def score(self, drawn: Drawn) -> float:
        return self.gate.score(drawn)

    def passes(self, score: float) -> bool:
        return True


class Drawing(Contender):
    """Draws some plan rows together; a unit is one attempt.

    The sample's steps are preparing (pictures read, shapes and regions made), those that `Attempts` times, and select.
    `flops` are those in a unit of the steps that have any.
    """

    def __init__(self, attempts: Attempts, rows: pd.DataFrame, flops: Mapping[str, int]) -> None:
        self.attempts, self.rows = attempts, rows
        self.attempts.noise = ANYTHING
        counted = {step: Figure(each) for step, each in flops.items()}
        self.steps: dict[str, Figure] = defaultdict(lambda: Figure(0), {"preparing": Figure(0)} | counted)
        self.sample = Sample(self.steps, Figure(sum(flops.values())))

    def go(self) -> None:
        start = time.perf_counter()
        attempts = self.attempts.draw(self.rows)
        drawn = time.perf_counter()
        steps = attempts.filter(like="seconds_")
        select(self.attempts.out, self.attempts.source, self.rows, attempts.drop(columns=steps))
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
    return count_flops(lambda: inpainter(patch, region, [1], [0]))


def _flops_of_upsampling(upsampler: Upsampler, spec: DataSpec) -> int:
    clean, low = _nothing(spec.channels, HIGH), _nothing(spec.channels, spec.size)
    region = np.ones((1, HIGH, HIGH), bool)
    return count_flops(lambda: upsampler(clean, region, low, [1], [0]))


def _nothing(channels: int, side: int) -> NDArray[np.float32]:
    return np.zeros((1, channels, side, side), np.float32)
