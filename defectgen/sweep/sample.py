"""Samples of a cell: planned defects drawn at 64 px by its network, its solver and its guides."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.diffusion.denoise import Backbone
from defectgen.imaging.files import Mask
from defectgen.job import Job, Picture
from defectgen.learn.cascade import Cascade
from defectgen.learn.checkpoint import CHECKPOINT, load_checkpoint
from defectgen.manifest import make_seed
from defectgen.painter import Painter
from defectgen.quality.drawn import Drawn
from defectgen.sampling import inpainter_of, trajectory_of
from defectgen.sweep.cell import Cell


@dataclass(frozen=True)
class Sample:
    """A defect to be measured: as gates see it, as the network left it (C, size, size), and the region there."""

    drawn: Drawn
    picture: Picture
    region: Mask


@dataclass(frozen=True)
class Sampler:
    """What paints a cell's defects; network: the one inside it."""

    painter: Painter
    network: Backbone

    @classmethod
    def of(cls, cell: Cell) -> "Sampler":
        """As `generate` would by the cell's settings, without an upsampler."""
        folders, asked = cell.folders, cell.settings.arguments["generate"]
        trained = load_checkpoint(folders["inpaint"] / CHECKPOINT)
        levels = trajectory_of(asked["schedule"], trained.schedule, asked["steps"], asked["jump"], asked["repeats"])
        inpainter = inpainter_of(trained, levels, asked["solver"], asked["guides"], folders.get("likelihood"))
        return cls(Painter(Cascade(inpainter), trained.spec), trained.denoiser.network)

    def calls(self, job: Job) -> int:
        """How many pictures go through the network for one to be drawn: a guided step counts what it asks about."""
        passed: list[int] = []
        watch = self.network.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
        alone = replace(job, row=pd.Series({**job.row, "batch": 1}))
        self.painter.low([alone], [job.row["label"]], [0])
        watch.remove()
        return sum(passed)

    def paint(self, jobs: Sequence[Job], seed: int) -> tuple[NDArray[np.float32], float]:
        """What the network makes of all jobs by one sampling seed, (N, C, size, size), and the seconds that took."""
        seeds = [make_seed(job.row["seed"], "sweep", seed) for job in jobs]
        start = time.perf_counter()
        pictures = self.painter.low(jobs, [job.row["label"] for job in jobs], seeds)
        return pictures, time.perf_counter() - start
