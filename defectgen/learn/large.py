"""Large patches: the training regions of enough native pixels to learn full resolution from, and drawn ones."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.manifest import Manifest
from defectgen.source import Source
from defectgen.spec import DataSpec

LARGE = 256  # side of a large patch in pixels
NATIVE = 128  # native pixels a side from which on a region shows more than its 64 px version

LargePatch = tuple[NDArray[np.float32], Mask, int]  # picture (C, S, S) in [-1, 1], mask (S, S), class number


class PatchSet(Protocol):
    """Large patches by number, and how many there are."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> LargePatch: ...


class LargePatches:
    """The regions that `patch` cut in one split, at LARGE pixels, where they have NATIVE pixels or more.

    Clean ones come with the shape of some defect, as a region that could be painted.
    """

    def __init__(self, source: Source, patches: Manifest, spec: DataSpec, split: str) -> None:
        images = patches.images[(patches.images["split"] == split) & (patches.images["side"] >= NATIVE)]
        donors = patches.instances.set_index("image_id")
        self.items: list[tuple[Pixels, Mask | None, int]] = []
        for _, row in tqdm(images.iterrows(), desc="large patches", total=len(images), unit="region", disable=None):
            square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
            mask, label = None, 0
            if row["image_id"] in donors.index:
                defect = donors.loc[row["image_id"]]
                mask = shrink_mask(square.cut(source.defects_like(defect["donor_id"])), LARGE)
                label = spec.number(defect["label"])
            self.items.append((shrink(square.cut(source.pixels(row["source_id"])), LARGE), mask, label))
        self.shapes = [mask for _, mask, _ in self.items if mask is not None]

    def __len__(self) -> int:
        return len(self.items) if self.shapes else 0

    def __getitem__(self, number: int) -> LargePatch:
        pixels, mask, label = self.items[number]
        return to_float(pixels), self.shapes[number % len(self.shapes)] if mask is None else mask, label


class DrawnPatches:
    """`length` lessons of a teacher as large patches; their label is the one for "not told"."""

    def __init__(self, spec: DataSpec, side: int, length: int, seed: int) -> None:
        self.spec, self.length, self.teacher = spec, length, Teacher(side, seed)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> LargePatch:
        lesson = self.teacher(number)
        picture = to_float(lesson.picture)
        if self.spec.channels == 1:
            picture = picture.mean(axis=0, keepdims=True)
        return picture, lesson.mask, len(self.spec.classes)
