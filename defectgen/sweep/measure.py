"""Every cell drawn and measured once: what is there by an unchanged recipe is read back.

<out>/yardstick/        what all cells are held against, and the figures of real defects
<out>/cells/<name>/     figures.parquet, crops/<seed>-<plan_id>.png
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from defectgen import outputs
from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic, write_image
from defectgen.manifest import Row, write_table
from defectgen.outputs import Recipe, Stopwatch
from defectgen.pipeline import is_done
from defectgen.sweep.cell import Cell
from defectgen.sweep.figures import figures, likeness
from defectgen.sweep.sample import Sample, Sampler
from defectgen.sweep.yardstick import Yardstick, planned_rows

VERSION = 1  # raised when the same settings and inputs would now give other figures
TABLE, REAL_FIGURES = "figures.parquet", "real.json"
YARDSTICK_INPUTS, CELL_INPUTS = ("ingest", "critic", "plan", "inpaint", "likelihood"), ("inpaint", "likelihood")


def measured(out: Path, cells: Sequence[Cell], per_class: int, seeds: int) -> pd.DataFrame:
    """One row per cell and sampling seed: `cell`, `seed` and the figures."""
    default = cells[0]
    yardstick = _recipe(default, YARDSTICK_INPUTS, {"per_class": per_class})
    own = {"seeds": seeds, "yardstick": outputs.key_of(yardstick)}
    recipes = {cell.name: _recipe(cell, CELL_INPUTS, own) for cell in cells}
    missing = [cell for cell in cells if not is_done(cell_folder(out, cell), recipes[cell.name])]
    if missing or not is_done(out / "yardstick", yardstick):
        against = _yardstick(out / "yardstick", default, per_class, yardstick)
        with tqdm(total=len(missing) * seeds, desc="sweep", unit="set", disable=None) as bar:
            for cell, sampler in [(cell, _sampler(cell)) for cell in missing]:
                bar.set_postfix_str(cell.name)
                _draw(cell_folder(out, cell), cell, sampler, against, seeds, recipes[cell.name], bar)
    tables = [pd.read_parquet(cell_folder(out, cell) / TABLE).assign(cell=cell.name) for cell in cells]
    return pd.concat(tables, ignore_index=True)


def real_figures(out: Path) -> dict[str, float]:
    """Those of real held-out defects."""
    found: dict[str, float] = json.loads((out / "yardstick" / REAL_FIGURES).read_text())
    return found


def cell_folder(out: Path, cell: Cell) -> Path:
    """Where a cell's samples lie."""
    return out / "cells" / cell.name


def crop_path(folder: Path, seed: int, plan_id: str) -> Path:
    """The composite of one sample; there is none where the network left nothing finite."""
    return folder / f"crops/{seed}-{plan_id}.png"


def _recipe(cell: Cell, keys: Sequence[str], settings: Row) -> Recipe:
    """What the samples of a cell follow from."""
    (generate,) = (step for step in cell.settings.steps if step.name == "generate")
    records = {key: outputs.done(cell.folders[key]) for key in keys if key in cell.folders}
    return {
        "settings": cell.settings.block(generate) | settings,
        "inputs": {key: record and record["digest"] for key, record in records.items()},
        "files": {},
        "run": {"seed": cell.settings.seed, "product": cell.settings.product, "version": VERSION},
    }


def _yardstick(out: Path, default: Cell, per_class: int, recipe: Recipe) -> Yardstick:
    """Measured, or read back, with the figures of real defects."""
    outputs.begin(out, recipe)
    watch = Stopwatch(out)
    found = Yardstick.measure(out, default, planned_rows(default.folders["plan"], per_class))
    real = json.dumps(figures(found.held_out, len(found.held_out), found))
    write_atomic(out / REAL_FIGURES, real.encode())
    _finish(out, recipe, real, watch, default)
    return found


def _sampler(cell: Cell) -> Sampler:
    """That of a cell; all are made before the first one draws, so that a cell which cannot be drawn costs nothing.

    Raises:
        UserError: it cannot be drawn; the line names the cell.
    """
    try:
        return Sampler.of(cell)
    except UserError as error:
        raise UserError(f"cell {cell.name}: {error}") from None


def _draw(out: Path, cell: Cell, sampler: Sampler, yardstick: Yardstick, seeds: int, recipe: Recipe, bar: tqdm) -> None:
    """All samples of a cell and their figures."""
    outputs.begin(out, recipe)
    watch = Stopwatch(out)
    calls = sampler.calls(yardstick.planned[0][0])
    rows: list[Row] = []
    for seed in range(seeds):
        samples, seconds = _samples(sampler, yardstick, seed)
        for plan_id, sample in samples.items():
            write_image(crop_path(out, seed, plan_id), sample.drawn.result)
        planned, found = len(yardstick.planned), list(samples.values())
        rows.append(
            {"seed": seed, "calls": calls, "ms": 1000 * seconds / planned}
            | figures(found, planned, yardstick)
            | likeness(found, yardstick, cell.settings.seed)
        )
        bar.update()
    table = pd.DataFrame(rows)
    write_table(out / TABLE, table)
    _finish(out, recipe, table.drop(columns="ms").to_json(), watch, cell)


def _samples(sampler: Sampler, yardstick: Yardstick, seed: int) -> tuple[dict[str, Sample], float]:
    """Plan id -> sample, of those that are finite, and the seconds that all took."""
    pictures, seconds = sampler.paint([job for job, _ in yardstick.planned], seed)
    samples = {}
    for (job, expected), picture in zip(yardstick.planned, pictures, strict=True):
        if np.isfinite(picture).all():
            drawn = yardstick.bar.drawn(job, expected, sampler.painter.composite(job, job.patch, picture))
            samples[job.row["plan_id"]] = Sample(drawn, picture, job.region)
    return samples, seconds


def _finish(out: Path, recipe: Recipe, content: str, watch: Stopwatch, cell: Cell) -> None:
    digest = hashlib.sha256(content.encode()).hexdigest()
    outputs.finish(out, recipe, digest, watch.seconds(), cell.settings.command)
