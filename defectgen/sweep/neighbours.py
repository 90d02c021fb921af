"""Neighbours: cells that agree on every axis but one."""

from collections.abc import Sequence
from dataclasses import dataclass

from defectgen.sweep.cell import Axes, Cell


@dataclass(frozen=True)
class Line:
    """Neighbours along an axis, numbers in order before words.

    reference: the one with the default cell's value there, or else the first. at: the values on the other axes that
    are not the default cell's.
    """

    axis: str
    cells: list[Cell]
    reference: Cell
    at: Axes


def lines(cells: Sequence[Cell]) -> list[Line]:
    """Lines of two cells or more, axis by axis, the one through the default cell, which comes first, before others."""
    default = cells[0].axes
    found = []
    for axis in default:
        groups: dict[tuple[object, ...], list[Cell]] = {}
        for cell in cells:
            groups.setdefault(tuple(cell.axes[other] for other in default if other != axis), []).append(cell)
        found += [_line(axis, group, default) for group in groups.values() if len(group) > 1]
    return found


def _line(axis: str, group: Sequence[Cell], default: Axes) -> Line:
    reference = next((cell for cell in group if cell.axes[axis] == default[axis]), group[0])

    def place(cell: Cell) -> tuple[bool, float]:
        value = cell.axes[axis]
        return (True, cell is not reference) if isinstance(value, str) else (False, value)

    others = {other: value for other, value in reference.axes.items() if other != axis and value != default[other]}
    return Line(axis, sorted(group, key=place), reference, others)
