"""The yardstick: what every cell is held against, measured once with the default cell's network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.evidence import Bar, repainted
from defectgen.heal import as_real, few_of_each
from defectgen.imaging.files import Pixels
from defectgen.job import Job
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import CrossFitted, load_critic
from defectgen.manifest import Manifest
from defectgen.painter import Painter
from defectgen.source import PLAN, Source
from defectgen.sweep.cell import Cell
from defectgen.sweep.sample import Sample, Sampler
from defectgen.unhealed import every_defect

PLANNED, HELD_OUT = "planned.parquet", "held_out.parquet"  # squares repainted as good: planned ones, real defects


@dataclass(frozen=True)
class Yardstick:
    """What all cells share.

    bar: noise and gates. critic: tells classes. planned: the jobs that every cell draws, each with its square
    repainted as good. training: class -> patches of real training defects. held_out: real defects of the split val.
    """

    bar: Bar
    critic: CrossFitted
    planned: list[tuple[Job, Pixels]]
    training: Mapping[str, NDArray[np.float32]]
    held_out: list[Sample]

    @classmethod
    def measure(cls, out: Path, default: Cell, rows: pd.DataFrame) -> "Yardstick":
        """By the default cell, for some rows of the plan; what was repainted is kept in `out` and read back."""
        folders, seed = default.folders, default.settings.seed
        source, plan = Source(Manifest.load(folders["ingest"])), pd.read_parquet(folders["plan"] / PLAN)
        painter, critic = Sampler.of(default).painter, load_critic(folders["critic"] / CHECKPOINT)
        gates = default.settings.arguments["generate"]["gates"]
        bar = Bar.measure(out, source, painter, plan, critic, gates, seed)
        planned = repainted(out, PLANNED, source, painter, rows, Job.planned)
        known = every_defect(source, "train", painter.spec.size)
        patches = {
            label: np.stack([one.patch(painter.spec.size) for one in known if one.label_name == label])
            for label in sorted({one.label_name for one in known})
        }
        return cls(bar, critic, planned, patches, _held_out(out, source, painter, bar, plan, seed))


def planned_rows(plan: Path, per_class: int) -> pd.DataFrame:
    """The first rows of each class in the plan of a folder, in the order of their ids."""
    rows = pd.read_parquet(plan / PLAN).sort_values("plan_id")
    return rows.groupby("label").head(per_class).reset_index(drop=True)


def _held_out(out: Path, source: Source, painter: Painter, bar: Bar, plan: pd.DataFrame, seed: int) -> list[Sample]:
    """Real defects of parts that no network has seen, in the form of drawn ones."""
    if source.defects("val").empty:
        return []
    real = few_of_each(source, "val", seed).assign(batch=int(plan["batch"].iloc[0]))
    healed = repainted(out, HELD_OUT, source, painter, real, Job.healing)
    return [Sample(as_real(job, result, bar.noise), job.patch, job.region) for job, result in healed]
