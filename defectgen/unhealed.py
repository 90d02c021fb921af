"""Defects of which only the label is known: real ones as annotated, and attempts as `generate` kept them."""

from pathlib import Path

import numpy as np
import pandas as pd

from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.read import read_image, read_mask
from defectgen.job import Job
from defectgen.quality.drawn import Drawn
from defectgen.source import Source


def every_defect(source: Source, split: str, size: int) -> list[Drawn]:
    """The real defects of a split as nobody healed them: their marks count as what changed."""
    jobs = [Job.healing(source, row, size) for _, row in source.defects(split).assign(seed=0).iterrows()]
    return [_unseen(job, job.clean, job.shape) for job in jobs]


def as_kept(folder: Path, source: Source, row: pd.Series, size: int) -> Drawn:
    """An attempt as `generate` left it in its folder; `row` has the plan's place and the attempt's files."""
    job = Job.planned(source, row, size)
    return _unseen(job, read_image(folder / row["crop_path"]), read_mask(folder / row["label_path"]))


def _unseen(job: Job, result: Pixels, label: Mask) -> Drawn:
    """Visible where its label is."""
    visible = label.astype(np.float32)
    return Drawn(job.row["label"], job.group, job.clean, result, job.shape, label, visible, job.support, job.legal)
