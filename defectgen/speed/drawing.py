"""Drawing as `generate` does it: the network alone, and a sample step by step."""

import time
from collections import defaultdict

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from defectgen.attempt import Attempts
from defectgen.imaging.label import Noise
from defectgen.learn.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import inpainting
from defectgen.learn.precision import Precision
from defectgen.manifest import Manifest
from defectgen.select import select
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.speed.recipe import Folders, Recipe
from defectgen.speed.stopwatch import Contender, Figure, Timed, count_flops, noise

TRAINED = Noise(low=0.1, high=0.2)  # what repainting clean surface changes once a network is trained, about


def stored(recipe: Recipe, folders: Folders, precision: Precision) -> Checkpoint:
    """A checkpoint written and read back, as `generate` gets it."""
    spec, folder = DataSpec.load(folders.patch), folders.out / CHECKPOINT
    save_checkpoint(folder, recipe.denoiser(spec), recipe.schedule, spec, precision, "untrained")
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


class Drawing(Contender):
    """Draws the first defects of the plan, one network batch; a unit is one attempt.

    steps: preparing (pictures read, shapes and regions made), those that `Attempts` times, and select. What gates
    reject is selected all the same: how often an untrained network happens to pass them should not matter.
    """

    def __init__(self, recipe: Recipe, folders: Folders, checkpoint: Checkpoint) -> None:
        self.out, self.source = folders.out, Source(Manifest.load(folders.ingest))
        self.rows = pd.read_parquet(folders.plan / PLAN).head(recipe.drawn)
        inpainter = Inpainter(
            checkpoint.denoiser,
            recipe.schedule.trajectory(recipe.steps),
            len(checkpoint.spec.classes),
            recipe.solver,
            recipe.guides,
            checkpoint.precision,
        )
        self.attempts = Attempts(self.out, self.source, inpainter, checkpoint, recipe.gates, self.rows)
        self.attempts.noise = TRAINED  # in that of an untrained network its own defects would drown
        flops = _flops_of_a_sample(inpainter, checkpoint.spec)
        self.whole = Figure(flops)
        self.steps: dict[str, Figure] = defaultdict(lambda: Figure(0), preparing=Figure(0), sampling=Figure(flops))

    def go(self) -> None:
        start = time.perf_counter()
        attempts = self.attempts.draw(self.rows)
        drawn = time.perf_counter()
        steps = attempts.filter(like="seconds_")
        seen = attempts[attempts["reason"] != "empty"].drop(columns=steps)
        select(self.out, self.source, self.rows, seen.assign(status="accepted"))
        selected = time.perf_counter()
        seconds = {str(name).removeprefix("seconds_"): float(total) for name, total in steps.sum().items()}
        seconds = {"preparing": drawn - start - sum(seconds.values())} | seconds | {"select": selected - drawn}
        for step, spent in seconds.items():
            self.steps[step].seconds.append(spent / len(self.rows))
        self.whole.seconds.append((selected - start) / len(self.rows))

    def forget(self) -> None:
        for figure in (self.whole, *self.steps.values()):
            figure.seconds.clear()


def _flops_of_a_sample(inpainter: Inpainter, spec: DataSpec) -> int:
    patch, region = np.zeros((1, spec.channels, spec.size, spec.size), np.float32), np.ones((1, spec.size, spec.size))
    return count_flops(lambda: inpainter(patch, region.astype(bool), [1], [0]))
