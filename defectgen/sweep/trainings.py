"""Trainings of the cells: each different one once, in a folder that cells share."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from defectgen import outputs, pipeline
from defectgen.config import Settings
from defectgen.steps import Step
from defectgen.sweep.cell import TRAININGS, Cell


def placed(cell: Cell, product: Settings, networks: Path) -> Cell:
    """The cell with its trainings in folders of `networks`, but for those that the product has finished itself."""
    mine = [step for step in _trainings(cell.settings) if not _has_finished(product, step, cell.settings)]
    elsewhere = {step.name: networks / f"{step.key}-{_key(cell.settings, step)}" for step in mine}
    return replace(cell, settings=replace(cell.settings, elsewhere=elsewhere))


def distinct(cells: Iterable[Cell]) -> list[tuple[Settings, Step]]:
    """Each training of the cells once, with the settings it is run by."""
    found = {cell.settings.folder(step): (cell.settings, step) for cell in cells for step in _trainings(cell.settings)}
    return list(found.values())


def _trainings(settings: Settings) -> list[Step]:
    return [step for step in settings.steps if step.name in TRAININGS]


def _has_finished(product: Settings, step: Step, settings: Settings) -> bool:
    """Whether the product's own folder holds this very training."""
    if product.block(step) != settings.block(step):
        return False
    return pipeline.is_done(product.folder(step), pipeline.recipe_of(product, step))


def _key(settings: Settings, step: Step) -> str:
    return outputs.key_of({"settings": settings.block(step)})[:12]
