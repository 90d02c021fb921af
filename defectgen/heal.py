"""Healing: the surface that a good part would show where a real defect is, and what the two tell of labels and gates.

Real defects and clean surface are repainted as good, so that real ones, drawn ones and controls have the same form:

    real      clean = healed square, result = the real one, shape = what the annotator marked
    control   clean = clean square, result = the same repainted, shape = a planned one
"""

from collections.abc import Sequence

import pandas as pd

from defectgen.imaging.files import Pixels
from defectgen.imaging.label import Noise, changed, visibility
from defectgen.job import Job
from defectgen.manifest import make_seed
from defectgen.quality.drawn import Drawn
from defectgen.source import Source

MOST_OF_CLASS = 48  # real defects healed of each class


def every_one(source: Source, split: str, seed: int) -> pd.DataFrame:
    """All real defects of a split, with a `seed` each to heal them by."""
    table = source.defects(split)
    return table.assign(seed=[make_seed(seed, "heal", name) for name in table["instance_id"]])


def few_of_each(source: Source, split: str, seed: int) -> pd.DataFrame:
    """Real defects of a split to heal, with a `seed` each: up to MOST_OF_CLASS of a class, one of each group first."""
    table = every_one(source, split, seed)
    table = table.assign(group=table["image_id"].map(source.images["group"])).sort_values("seed")
    turn = table.groupby(["label", "group"]).cumcount()
    return table.assign(turn=turn).sort_values(["turn", "seed"]).groupby("label").head(MOST_OF_CLASS).sort_index()


def as_real(job: Job, repainted: Pixels, noise: Noise) -> Drawn:
    """A real defect in the form of a drawn one, as though it had been drawn onto its healed square."""
    return _compared(job, repainted, job.clean, [repainted], noise)


def as_drawn(job: Job, expected: Pixels, result: Pixels, noise: Noise) -> Drawn:
    """What was painted onto a job's clean square; repainted as good, it is a control.

    expected: the square repainted as good, with other noise.
    """
    return _compared(job, job.clean, result, [job.clean, expected], noise)


def _compared(job: Job, clean: Pixels, result: Pixels, before: Sequence[Pixels], noise: Noise) -> Drawn:
    """What changed is what differs from all squares `before`."""
    label, visible = changed(before, result, job.support, noise), visibility(before, result, noise)
    return Drawn(job.row["label"], job.group, clean, result, job.shape, label, visible, job.support, job.legal)
