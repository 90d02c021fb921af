"""What a prior is taught: the tasks of the two networks, made of drawings alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone
from defectgen.diffusion.noise import Karras, Schedule
from defectgen.drawing.families import TAUGHT
from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import to_float
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.sheet import Rgb
from defectgen.learn.asked import Asked
from defectgen.learn.crops import HeldCrops, UpsamplingExamples, upsampling_of
from defectgen.learn.data import SizedExamples
from defectgen.learn.drawn import CLASSES, DrawnExamples, HeldDrawings
from defectgen.learn.large import GOOD_SHARE, DrawnPatches, LargePatch
from defectgen.learn.module import DiffusionModule, inpainting_of
from defectgen.learn.preview import COLUMNS, Case, enlargements, preview
from defectgen.learn.upsample import DOES
from defectgen.manifest import GOOD, make_seed
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.embed import ANY_DEFECT
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

SIGMA_DATA = 0.40  # standard deviation of 1,500 drawings' pixels, in units of [-1, 1]
SIGMA_DETAIL = 0.34  # that of the detail of 200 crops in their regions
LABEL_DROPOUT = 0.1
HELD = 200  # drawings that validation looks at
ENLARGED = 8  # drawings on the sheet of the upsampler


class Lessons(ABC):
    """One network and its lessons, all of which follow from the seed."""

    does: str  # for its card
    told_of: str  # for its card: what it is told of a defect
    product_key: str  # the setting of a product that starts from it
    spec: DataSpec
    network: Callable[[DataSpec], Backbone]
    schedule: Schedule
    told: Callable[[Any, int], Condition]  # the condition of a batch, from it and the number of classes

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @abstractmethod
    def examples(self, length: int) -> SizedExamples:
        """So many to train on."""

    @abstractmethod
    def held(self) -> SizedExamples:
        """Those of validation, which training does not show."""

    @abstractmethod
    def sheet(self, module: DiffusionModule) -> Rgb:
        """What the module's present weights make of always the same drawings in colour.

        The noise of a sheet is that of a camera with colour; on a grey ground the network never saw such a one.
        """


class InpaintingLessons(Lessons):
    """Defects of every family to be painted into a region."""

    does = "Paints a defect of a described kind into a masked region of a 64 px patch."
    told_of = "the family, and size, contrast and sharpness as measured"
    product_key = "train.inpaint.init_from"
    spec = DataSpec(3, CLASSES, SIGMA_DATA, 64)
    network = UNet
    schedule = Karras()
    told = staticmethod(inpainting_of)

    def examples(self, length: int) -> SizedExamples:
        return DrawnExamples(self.spec, length, GOOD_SHARE, LABEL_DROPOUT, self.seed)

    def held(self) -> SizedExamples:
        return HeldDrawings(self.spec, HELD, self.seed)

    def sheet(self, module: DiffusionModule) -> Rgb:
        return preview(module, cases_of(Teacher(self.spec.size, self.seed), self.spec))


class UpsamplingLessons(Lessons):
    """Drawings to be raised from low resolution; what detail a defect has, that shows, so no more is said of it."""

    does = DOES
    told_of = "only that it is one"
    product_key = "train.upsample.init_from"
    spec = DataSpec(3, [GOOD, "defect"], SIGMA_DETAIL, 128, upsampled=True)
    network = EfficientUNet
    schedule = Karras(highest=20.0)
    told = staticmethod(upsampling_of)

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.patches = DrawnPatches(self.spec, self.spec.size, ANY_DEFECT, seed)

    def examples(self, length: int) -> SizedExamples:
        side, dropped = self.spec.size, len(self.spec.classes)
        return UpsamplingExamples(self.patches, side, [], length, LABEL_DROPOUT, dropped, self.seed)

    def held(self) -> SizedExamples:
        return HeldCrops(list(islice(self._held(), HELD)), self.spec.size, self.seed)

    def sheet(self, module: DiffusionModule) -> Rgb:
        coloured = (patch for patch in self._held() if not patch.grey)
        return enlargements(module, list(islice(coloured, ENLARGED)))

    def _held(self) -> Iterator[LargePatch]:
        """Always the same, as many as are asked for."""
        rng = np.random.default_rng(make_seed(self.seed, "held drawings"))
        while True:
            yield self.patches.draw(rng)


TASKS: Mapping[str, type[Lessons]] = {"inpaint64": InpaintingLessons, "upsample256": UpsamplingLessons}


def cases_of(teacher: Teacher, spec: DataSpec) -> dict[str, list[Case]]:
    """Defects of every family to draw: the shapes and grounds of the first lessons of each that are in colour."""
    cases: dict[str, list[Case]] = {family: [] for family in TAUGHT}
    index = 0
    while any(len(row) < COLUMNS for row in cases.values()):
        lesson = teacher(index)
        row = cases[lesson.description.partition(",")[0]]
        if len(row) < COLUMNS and not lesson.grey:
            number = spec.number(lesson.description)
            clean = to_float(lesson.clean)
            row.append(Case(Asked.only(number, clean), clean, grow(lesson.mask, REACH)))
        index += 1
    return cases
