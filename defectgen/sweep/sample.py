"""Samples of a cell: planned defects drawn at 64 px by its network, its solver and its guides."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.diffusion.denoise import Backbone
from defectgen.imaging.files import Mask
from defectgen.job import Job, Picture
from defectgen.manifest import make_seed
from defectgen.painter import Painter
from defectgen.quality.drawn import Drawn
from defectgen.sweep.cell import Cell
from defectgen.trained import Trained, trajectory_of


@dataclass(frozen=True)
class Sample:
    """A defect to be measured: as gates see it, as the network left it (C, size, size), and the region there."""

    drawn: Drawn
    picture: Picture
    region: Mask


@dataclass(frozen=True)
class Sampler:
    """What paints a cell's defects."""

    painter: Painter

    @classmethod
    def of(cls, cell: Cell) -> "Sampler":
        """As `generate` would by the cell's settings, without an upsampler."""
        folders, asked = cell.folders, cell.settings.arguments["generate"]
        walk = {name: asked[name] for name in ("steps", "jump", "repeats")}
        trained = Trained("generate", folders["inpaint"], None, folders.get("likelihood"))
        levels = partial(trajectory_of, asked["schedule"], **walk)
        sampling = [asked[name] for name in ("solver", "guides", "upsampling_steps", "start")]
        painter, _ = trained.painter(levels, *sampling)
        return cls(painter)

    @property
    def network(self) -> Backbone:
        """The one inside."""
        return self.painter.cascade.inpainter.denoiser.network

    def calls(self, job: Job) -> int:
        """How many pictures go through the network for one to be drawn: a guided step counts what it asks about."""
        passed: list[int] = []
        watch = self.network.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
        alone = replace(job, row=pd.Series({**job.row, "batch": 1}))
        self.painter.planned([alone], [0])
        watch.remove()
        return sum(passed)

    def paint(self, jobs: Sequence[Job], seed: int) -> tuple[NDArray[np.float32], float]:
        """What the network makes of all jobs by one sampling seed, (N, C, size, size), and the seconds that took."""
        seeds = [make_seed(job.row["seed"], "sweep", seed) for job in jobs]
        start = time.perf_counter()
        pictures = self.painter.planned(jobs, seeds)
        return pictures, time.perf_counter() - start
