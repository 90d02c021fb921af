"""Picture sheets: neighbours below each other, the same planned defects in every row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from defectgen.imaging.read import read_image
from defectgen.imaging.sheet import Rgb, sheet
from defectgen.job import Job
from defectgen.manifest import Manifest
from defectgen.page.tiles import REGION, SHAPE, TILE, tile
from defectgen.source import Source
from defectgen.sweep.cell import Cell
from defectgen.sweep.measure import cell_folder, crop_path
from defectgen.sweep.neighbours import Line
from defectgen.sweep.yardstick import planned_rows

SHEETS = "sheets"  # folder of the sheets
COLUMNS = 10  # planned defects on a sheet, as many of each class
GROUND, DONOR = "ground", "real donor"
SIDE = 128  # pixels of a picture on a sheet


@dataclass(frozen=True)
class Planned:
    """A planned defect: its ground with region and shape outlined, the real defect whose shape it has."""

    plan_id: str
    label: str
    ground: Rgb
    donor: Rgb


def planned(cell: Cell, per_class: int, size: int) -> list[Planned]:
    """The first few of each class of what all cells draw, for networks of `size` pixels."""
    source = Source(Manifest.load(cell.folders["ingest"]))
    rows = planned_rows(cell.folders["plan"], per_class)
    few = rows.groupby("label").head(max(1, COLUMNS // rows["label"].nunique()))
    return [_planned(source, row, size) for _, row in few.sort_values(["label", "plan_id"]).iterrows()]


def file_names(found: Sequence[Line]) -> list[str]:
    """A file for the sheet of each line, after its axis, numbered where an axis has several."""
    axes = [line.axis for line in found]
    turns = [axes[:number].count(axis) for number, axis in enumerate(axes)]
    named = [f"{axis}{f'_{turn + 1}' if turn else ''}" for axis, turn in zip(axes, turns, strict=True)]
    return [f"{SHEETS}/{re.sub(r'[^0-9A-Za-z]+', '_', name)}.png" for name in named]


def line_sheet(out: Path, line: Line, columns: Sequence[Planned]) -> Rgb:
    """Ground, real donors, then the cells in the order of the line by the first sampling seed."""
    rows = [[each.ground for each in columns], [each.donor for each in columns]]
    rows += [[_drawn(cell_folder(out, cell), each) for each in columns] for cell in line.cells]
    names = [GROUND, DONOR, *(str(cell.axes[line.axis]) for cell in line.cells)]
    return sheet(rows, names, [each.label for each in columns], SIDE)


def _planned(source: Source, row: pd.Series, size: int) -> Planned:
    job = Job.planned(source, row, size)
    donor = source.instances.loc[row["donor_id"]].copy()
    donor["seed"] = 0
    ground = tile(job.clean, (job.region, REGION), (job.shape, SHAPE))
    return Planned(row["plan_id"], row["label"], ground, tile(Job.healing(source, donor, size).clean))


def _drawn(folder: Path, planned: Planned) -> Rgb:
    """The composite; white where there is none."""
    path = crop_path(folder, 0, planned.plan_id)
    return tile(read_image(path)) if path.is_file() else np.full((TILE, TILE, 3), 255, np.uint8)
