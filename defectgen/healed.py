"""Whole pictures healed: every defect of a real picture painted over as good surface, one after the other.

The largest comes first. With each go those parts of the picture's other unhealed defects that lie in its square, so
that none is taken for surroundings; what is healed already is surroundings to the rest.
"""

import numpy as np
import pandas as pd

from defectgen.errors import UserError
from defectgen.heal import every_one
from defectgen.imaging.files import Mask, Pixels
from defectgen.job import Job
from defectgen.painter import Painter
from defectgen.source import Source

WIDE = 6.0  # pixels at 64 px by which what is painted over exceeds an annotator's mark: a rim would stay about it


def defects_in_turn(source: Source, split: str, seed: int) -> pd.DataFrame:
    """All real defects of a split with a `seed` each and their `turn` on their picture, counted from 0."""
    table = every_one(source, split, seed)
    largest_first = (table["w"] * table["h"]).sort_values(ascending=False, kind="stable").index
    return table.assign(turn=table.loc[largest_first].groupby("image_id").cumcount())


def heal_pictures(source: Source, painter: Painter, defects: pd.DataFrame) -> dict[str, Pixels]:
    """The pictures of some `defects_in_turn`, all of them at once, with those defects painted over, by image id.

    Beside the defects' regions a picture is bit-identical. defects: with a column `batch`, pictures in a network call.

    Raises:
        UserError: what the networks draw is not finite.
    """
    pictures = {str(image_id): source.pixels(image_id) for image_id in defects["image_id"].unique()}
    for turn, now in defects.groupby("turn"):
        left = defects[defects["turn"] >= turn]
        jobs = [
            Job.covering(source, row, pictures[row["image_id"]], _all_of(source, left, row), painter.spec.size, WIDE)
            for _, row in now.iterrows()
        ]
        for job, result in painter.as_good(jobs, int(now["batch"].iloc[0])):
            image_id = job.row["image_id"]
            if result is None:
                raise UserError(f"{image_id}: the trained networks draw nothing finite; train with a lower rate")
            pictures[image_id] = job.pasted(pictures[image_id], result)
    return pictures


def _all_of(source: Source, left: pd.DataFrame, row: pd.Series) -> Mask:
    """The masks of those defects that are left on a defect's picture, its own among them, as one."""
    mine = left[left["image_id"] == row["image_id"]]
    return np.logical_or.reduce([source.manifest.read_mask(other) for _, other in mine.iterrows()])
