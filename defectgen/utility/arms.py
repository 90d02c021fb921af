"""The arms of the study: what a detector is trained on beside the real pictures. An arm is a line of RECIPES."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from defectgen.errors import UserError
from defectgen.imaging.files import from_float
from defectgen.imaging.sheet import Rgb, outlined, sheet, to_rgb
from defectgen.manifest import make_seed
from defectgen.suggest import hint
from defectgen.utility import pools
from defectgen.utility.pools import Materials, nothing
from defectgen.utility.types import Picture

COLUMNS = 8  # of a sheet


@dataclass(frozen=True)
class Arm:
    """One way to train a detector.

    summary: one sentence for people. augmented: whether pictures are varied while training. defects, good: what is
    added to the real pictures of the training split.
    """

    name: str
    summary: str
    augmented: bool
    defects: list[Picture]
    good: list[Picture]

    @property
    def added(self) -> list[Picture]:
        """All that is added."""
        return [*self.defects, *self.good]


@dataclass(frozen=True)
class Recipe:
    """How an arm is made."""

    summary: str
    augmented: bool = True
    defects: Callable[[Materials], list[Picture]] = nothing
    good: Callable[[Materials], list[Picture]] = nothing


RECIPES = {
    "real": Recipe("Real pictures as they are.", augmented=False),
    "augmented": Recipe("Real pictures with standard augmentation: flips, light, small shifts and zooms."),
    "copy_paste": Recipe(
        "Real training defects pasted seamlessly onto clean pictures, without any generator.", defects=pools.copy_paste
    ),
    "perlin": Recipe("Patches of foreign texture in random shapes, as defects of no class.", defects=pools.perlin),
    "ungated": Recipe(
        "Every first attempt of the generator, whatever the gates said; `selected` could try again.",
        defects=pools.ungated,
    ),
    "selected": Recipe("Generated defects that passed every gate: what is exported.", defects=pools.selected),
    "sham": Recipe("Clean pictures repainted by the generator as good: its traces without a defect.", good=pools.sham),
    "with_sham": Recipe(
        "What is exported, and shams as further good pictures: traces of the generator are no defect.",
        defects=pools.selected,
        good=pools.sham,
    ),
    "reserve": Recipe("More real defects, kept back until here: the ceiling.", defects=pools.reserve),
}


def build(names: Sequence[str], materials: Materials) -> list[Arm]:
    """The arms of these names, in this order.

    Raises:
        UserError: no arm has one of the names.
    """
    for name in names:
        if name not in RECIPES:
            raise UserError(f"evaluate.arms: no arm is called {name}{hint(name, RECIPES)}")
    recipes = [(name, RECIPES[name]) for name in names]
    return [
        Arm(name, recipe.summary, recipe.augmented, recipe.defects(materials), recipe.good(materials))
        for name, recipe in recipes
    ]


def sheet_of(arm: Arm, count: int) -> Rgb:
    """Up to `count` of the pictures an arm adds, drawn by lot, COLUMNS in a row; defects outlined in the row below."""
    few = np.random.default_rng(make_seed("sheet", arm.name)).permutation(len(arm.added))[:count]
    rows = []
    for start in range(0, len(few), COLUMNS):
        shown = [arm.added[number] for number in few[start : start + COLUMNS]]
        native = [from_float(picture.pixels, np.dtype(np.uint8)) for picture in shown]
        rows.append([to_rgb(pixels) for pixels in native])
        if arm.defects:
            masks = [picture.classes > 0 for picture in shown]
            rows.append([outlined(pixels, mask) for pixels, mask in zip(native, masks, strict=True)])
    return sheet(rows, cell=max((picture.pixels.shape[1] for picture in arm.added), default=1))
