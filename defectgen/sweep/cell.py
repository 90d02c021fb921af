"""Cells of the design table: overlays on a product's YAML that say where in the design they stand.

A cell is a file with a block `cell` that maps axes to values. The cell of the file default.yaml names all axes; another
one has its values wherever it names none. A file without the block is no cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from defectgen.config import Settings, read_settings
from defectgen.errors import UserError
from defectgen.steps import STEPS
from defectgen.suggest import hint
from defectgen.yaml_file import CELL, read_yaml

DEFAULT = "default"
TRAININGS = ("train.inpaint", "train.likelihood")
OWN = (*TRAININGS, "generate")  # the steps in which cells differ

Value = str | int | float
Axes = Mapping[str, Value]


@dataclass(frozen=True)
class Cell:
    """One choice on every axis. name: of its file; axes: axis -> value; settings: the product's with its overlay."""

    name: str
    axes: Axes
    settings: Settings

    @property
    def folders(self) -> dict[str, Path]:
        """Key of a step ("ingest", "inpaint", ...) -> its folder."""
        return {step.key: self.settings.folder(step) for step in self.settings.steps}


def read_cells(folder: Path, product: Settings) -> list[Cell]:
    """The cells of a folder over a product's YAML, the default one first, the others by name.

    Raises:
        UserError: of the settings; there is no default; a cell is on no axis, where another one is, or changes a step
            that all cells share. The line names the cell's file.
    """
    found = {path: axes for path in sorted(folder.glob("*.yaml")) if (axes := _axes(path)) is not None}
    default = folder / f"{DEFAULT}.yaml"
    if default not in found:
        raise UserError(f"{default}: no such cell; it names every axis and the usual value in the block `{CELL}`")
    cells: dict[Path, Cell] = {}
    for path in sorted(found, key=lambda path: path != default):
        if unknown := [axis for axis in found[path] if axis not in found[default]]:
            raise UserError(f"{path}: {CELL}: {unknown[0]} is no axis{hint(unknown[0], found[default])}")
        axes = {**found[default], **found[path]}
        if taken := [str(other) for other, cell in cells.items() if cell.axes == axes]:
            raise UserError(f"{path}: {CELL}: {taken[0]} stands at the same values; name what differs")
        cells[path] = Cell(path.stem, axes, _settings(path, product))
    return list(cells.values())


def _axes(path: Path) -> Axes | None:
    """What the block `cell` says; None where there is none."""
    raw = read_yaml(path)
    if CELL not in raw:
        return None
    axes: Any = raw[CELL]
    if not isinstance(axes, dict) or not all(isinstance(value, Value) for value in axes.values()):
        raise UserError(f"{path}: {CELL}: give axes with a word or a number each, such as `{CELL}: {{steps: 50}}`")
    return axes


def _settings(path: Path, product: Settings) -> Settings:
    """The product's settings with a cell's over them."""
    settings = read_settings(product.path, "sweep", [], STEPS, path)
    before, after = _shared(product), _shared(settings)
    if changed := [name for name in before | after if before.get(name) != after.get(name)]:
        own = ", ".join(OWN)
        raise UserError(f"{path}: a cell may change {own} and not {changed[0]}; without `{CELL}` it is none")
    return replace(settings, command=product.command)


def _shared(settings: Settings) -> dict[str, Any]:
    """What all cells have in common, by name."""
    blocks = {step.name: settings.block(step) for step in settings.steps if step.name not in OWN}
    return blocks | {"product": settings.product, "seed": settings.seed, "data": settings.data}
