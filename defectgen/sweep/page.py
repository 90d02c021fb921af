"""The page of a sweep, in Markdown: all cells in one table, then every axis with its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from defectgen.markdown import plain, tabulated
from defectgen.sweep.cell import Axes, Cell
from defectgen.sweep.figures import AMONG_REAL, MEANINGS, REAL, differs
from defectgen.sweep.neighbours import Line

NOISE = (
    "± is the standard deviation between sampling seeds. **Bold** differs from the first cell named below a heading by "
    "more than twice the noise of that difference; of so many figures some do by chance. Differences that one other "
    "training would make are not in it: every network was trained once."
)


@dataclass(frozen=True)
class Sweep:
    """What the page shows.

    table: a row for each cell and sampling seed. real: the figures of real held-out defects. sheets: file of each line.
    """

    product: str
    command: str
    cells: Sequence[Cell]
    table: pd.DataFrame
    real: Mapping[str, float]
    sheets: Sequence[tuple[Line, str]]
    planned: int

    def of(self, cell: Cell) -> pd.DataFrame:
        """The rows of a cell."""
        return self.table[self.table["cell"] == cell.name]


def page(sweep: Sweep) -> str:
    """The whole page; it shows the sheets that lie beside it."""
    seeds = sweep.table["seed"].nunique()
    head = (
        f"# The design, cell by cell: {plain(sweep.product)}\n\n`{sweep.command}`: {len(sweep.cells)} cells, each "
        f"draws the same {sweep.planned} planned defects at 64 px by {seeds} sampling seeds, all held against the same "
        f"bar, which is the default cell's. That one is {_told(sweep.cells[0].axes)}."
    )
    told = "\n".join(f"- {figure}: {sentence}" for figure, sentence in MEANINGS.items())
    sections = [
        head,
        f"## All cells\n\n{_overview(sweep)}",
        f"## What the figures are\n\n{told}\n- {REAL}",
        f"## Axis by axis\n\n{NOISE}",
        *(_line(sweep, line, file) for line, file in sweep.sheets),
    ]
    return "\n\n".join(sections) + "\n"


def baseline(table: pd.DataFrame, real: Mapping[str, float]) -> dict[str, float]:
    """The figures of real defects, those of their likeness as they were found beside the cells."""
    return {**real, **{figure: float(table[column].mean()) for figure, column in AMONG_REAL.items()}}


def _overview(sweep: Sweep) -> str:
    default = sweep.cells[0].axes
    real = baseline(sweep.table, sweep.real)
    rows = [["real, held out", "", *(_number(real.get(figure, np.nan)) for figure in MEANINGS)]]
    for cell in sweep.cells:
        own = {axis: value for axis, value in cell.axes.items() if value != default[axis]}
        rows.append([f"`{cell.name}`", _told(own), *_means(sweep.of(cell))])
    return tabulated(["cell", "differs in", *MEANINGS], rows)


def _line(sweep: Sweep, line: Line, file: str) -> str:
    """Heading, table and sheet of neighbours; the reference comes first in the table."""
    title = f"### {plain(line.axis)}" + (f", where {_told(line.at)}" if line.at else "")
    reference = sweep.of(line.reference)
    rows = [[*_named(line, line.reference), *_means(reference)]]
    for cell in line.cells:
        if cell is not line.reference:
            rows.append([*_named(line, cell), *_compared(sweep.of(cell), reference)])
    return f"{title}\n\n{tabulated([plain(line.axis), 'cell', *MEANINGS], rows)}\n\n![{plain(line.axis)}]({file})"


def _named(line: Line, cell: Cell) -> tuple[str, str]:
    return plain(str(cell.axes[line.axis])), f"`{cell.name}`"


def _means(rows: pd.DataFrame) -> list[str]:
    return [f"{_number(rows[figure].mean())}{_spread(rows[figure])}" for figure in MEANINGS]


def _compared(rows: pd.DataFrame, reference: pd.DataFrame) -> list[str]:
    """As `_means`, bold where it differs from the reference."""
    marks = ["**" if differs(rows[figure], reference[figure]) else "" for figure in MEANINGS]
    return [f"{mark}{cell}{mark}" for mark, cell in zip(marks, _means(rows), strict=True)]


def _spread(values: pd.Series) -> str:
    return f" ± {_number(values.std())}" if values.std() > 0 else ""


def _number(value: float) -> str:
    """Three digits, two behind the point at most."""
    return "–" if np.isnan(value) else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _told(axes: Axes) -> str:
    return ", ".join(f"{plain(axis)}: {plain(str(value))}" for axis, value in axes.items())
