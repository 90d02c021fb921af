"""Large patches: the training regions of enough native pixels to learn full resolution from, and drawn ones."""

from collections import defaultdict
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.data import spread
from defectgen.learn.patches import any_of
from defectgen.learn.upsample import HIGH
from defectgen.manifest import Manifest
from defectgen.source import Source
from defectgen.spec import DataSpec

NATIVE = 128  # native pixels a side from which on a region shows more than its 64 px version
GOOD_SHARE = 0.25  # share of the drawn ones that are shown without their defect


class LargePatch(NamedTuple):
    """A picture (C, S, S) in [-1, 1], the mask (S, S) of a defect in it or of one that could be, its class number."""

    picture: NDArray[np.float32]
    mask: Mask
    label: int
    grey: bool = False  # seen by a camera without colour: its channels are equal, and so is their noise


class PatchSet(Protocol):
    """Where crops are cut from."""

    def draw(self, rng: np.random.Generator, /) -> LargePatch:
        """One of them by lot."""


class LargePatches:
    """The regions that `patch` cut in one split, at HIGH pixels, where they have NATIVE pixels or more.

    clean: those without a defect too.
    """

    def __init__(self, source: Source, patches: Manifest, spec: DataSpec, split: str, clean: bool) -> None:
        images = patches.images[(patches.images["split"] == split) & (patches.images["side"] >= NATIVE)]
        donors = patches.instances.set_index("image_id")
        if not clean:
            images = images[images["image_id"].isin(donors.index)]
        self.clean: list[Pixels] = []
        # class number -> group -> picture and mask
        self.defects: dict[int, dict[str, list[tuple[Pixels, Mask]]]] = defaultdict(lambda: defaultdict(list))
        rows = images.sort_values(["source_id", "image_id"]).iterrows()  # each picture is read once
        for _, row in tqdm(rows, desc="large patches", total=len(images), unit="region", disable=None):
            square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
            pixels = shrink(square.cut(source.pixels(row["source_id"])), HIGH)
            if row["image_id"] in donors.index:
                defect = donors.loc[row["image_id"]]
                mask = shrink_mask(square.cut(source.defects_like(defect["donor_id"])), HIGH)
                self.defects[spec.number(defect["label"])][row["group"]].append((pixels, mask))
            else:
                self.clean.append(pixels)

    def draw(self, rng: np.random.Generator) -> LargePatch:
        """The class uniformly, good as often as any, then the group; a clean one comes with some defect's shape."""
        kinds = sorted(self.defects)
        label = any_of(rng, [0, *kinds] if self.clean else kinds)
        groups = self.defects[label or any_of(rng, kinds)]
        pixels, mask = any_of(rng, groups[any_of(rng, sorted(groups))])
        return LargePatch(to_float(pixels if label else any_of(rng, self.clean)), mask, label)

    def spread(self, per_class: int) -> list[LargePatch]:
        """At most so many defects of each class, evenly spread."""
        return [
            LargePatch(to_float(pixels), mask, label)
            for label, groups in sorted(self.defects.items())
            for pixels, mask in spread([item for _, items in sorted(groups.items()) for item in items], per_class)
        ]


class DrawnPatches:
    """Lessons of a teacher, some of them as good surface; `label` is the class number of all their defects."""

    def __init__(self, spec: DataSpec, side: int, label: int, seed: int) -> None:
        self.channels, self.label, self.teacher = spec.channels, label, Teacher(side, seed)

    def draw(self, rng: np.random.Generator) -> LargePatch:
        lesson = self.teacher(int(rng.integers(2**31)))
        pixels, label = (lesson.clean, 0) if rng.random() < GOOD_SHARE else (lesson.picture, self.label)
        picture = to_float(pixels)
        if self.channels == 1:
            picture = picture.mean(axis=0, keepdims=True)
        return LargePatch(picture, lesson.mask, label, lesson.grey)
