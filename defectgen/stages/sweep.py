"""sweep: every cell of the design table on the same plan, beside its neighbours along each axis."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from defectgen import lock, pipeline, tracking
from defectgen.config import Settings, read_settings
from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic, write_image
from defectgen.manifest import write_table
from defectgen.spec import DataSpec
from defectgen.steps import STEPS
from defectgen.sweep.cell import Cell, read_cells
from defectgen.sweep.measure import measured, real_figures
from defectgen.sweep.neighbours import lines
from defectgen.sweep.page import Sweep, page
from defectgen.sweep.sheets import SHEETS, file_names, line_sheet, planned
from defectgen.sweep.trainings import distinct, placed
from defectgen.sweep.yardstick import planned_rows

SHARED = ("draw", "ingest", "patch", "train.critic", "plan")  # steps of the product that all cells start from
READ = ("ingest", "patch", "critic", "plan", "inpaint", "likelihood")  # keys of the steps whose folders it reads
PAGE, TABLE = "sweep.md", "sweep.parquet"


def sweep(
    config: Path, *, cells: Path = Path("configs/design"), per_class: PositiveInt = 12, seeds: PositiveInt = 3
) -> int:
    """Train what is not trained yet, draw the same planned defects by every cell, put neighbours side by side.

    Args:
        config: the product's YAML.
        cells: folder of the cells, each a YAML that is laid over the product's.
        per_class: planned defects of each class that every cell draws.
        seeds: times they are drawn, each with other noise.
    """
    options = [f"--cells={cells}", f"--per_class={per_class}", f"--seeds={seeds}"]
    command = shlex.join(["defectgen", "sweep", str(config), *options])
    product = replace(read_settings(config, "sweep", [], STEPS), command=command)
    if any(step.name == "heal" for step in product.steps):
        raise UserError(f"{config}: heal: a sweep draws on real clean pictures; leave the block out of this YAML")
    found = read_cells(cells, product)
    out = product.data / "sweep" / product.product
    pipeline.run(product, [step for step in product.steps if step.name in SHARED])
    found = [placed(cell, product, out / "networks") for cell in found]
    for settings, step in distinct(found):
        pipeline.run(settings, [step])
    with _locks(out, product, found):
        table = measured(out, found, per_class, seeds)
        before = (out / TABLE).read_bytes() if (out / TABLE).is_file() else b""
        _write(out, product, found, table, per_class)
        if (out / TABLE).read_bytes() != before:
            _record(out, product, found, table)
    print(f"sweep: {out / PAGE}")
    return 0


def _write(out: Path, product: Settings, cells: Sequence[Cell], table: pd.DataFrame, per_class: int) -> None:
    """The table, the sheets and the page."""
    axes = pd.DataFrame([{axis: str(value) for axis, value in cell.axes.items()} for cell in cells])
    named = axes.assign(cell=[cell.name for cell in cells])
    write_table(out / TABLE, named.merge(table, on="cell", validate="one_to_many"))
    folders, neighbours = cells[0].folders, lines(cells)
    shown = planned(cells[0], per_class, DataSpec.load(folders["patch"]).size)
    sheets = list(zip(neighbours, file_names(neighbours), strict=True))
    for line, name in tqdm(sheets, "sheets", disable=None):
        write_image(out / name, line_sheet(out, line, shown))
    rows = len(planned_rows(folders["plan"], per_class))
    found = Sweep(product.product, product.command, cells, table, real_figures(out), sheets, rows)
    write_atomic(out / PAGE, page(found).encode())
    for old in {*(out / SHEETS).glob("*.png")} - {out / name for _, name in sheets}:
        old.unlink()  # of cells that are no more


def _record(out: Path, product: Settings, cells: Sequence[Cell], table: pd.DataFrame) -> None:
    """The sweep as a run of its own: its page and sheets, and within it each cell with its figures, to be compared."""
    means = table.drop(columns="seed").groupby("cell").mean()
    with tracking.pipeline_run(f"{product.product} sweep", product.resolved, product.data / "tracking"):
        for path in filter(Path.exists, (out / PAGE, out / TABLE, out / SHEETS)):
            tracking.log_artifact(path)
        for cell in cells:
            with tracking.run(cell.name, cell.axes):
                tracking.log_metrics({str(figure): value for figure, value in means.loc[cell.name].items()})


@contextmanager
def _locks(out: Path, product: Settings, cells: Sequence[Cell]) -> Iterator[None]:
    """Nobody else sweeps the product, or writes what the sweep reads."""
    read = {folder for cell in cells for key, folder in cell.folders.items() if key in READ}
    with ExitStack() as locks:
        locks.enter_context(lock.writing(product.data, out, product.command))
        for folder in sorted(read):
            locks.enter_context(lock.reading(product.data, folder, product.command))
        yield
