"""Training examples that the teacher draws: the prior learns from them alone, a product's inpainter from a share."""

import numpy as np
import torch
from torch.utils.data import Dataset

from defectgen.drawing.teacher import DESCRIPTIONS, Lesson, Teacher
from defectgen.imaging.files import to_float
from defectgen.imaging.region import grow
from defectgen.learn.asked import Asked
from defectgen.learn.data import DILATION, GOLDEN, LEVELS, Example, SizedExamples, example
from defectgen.learn.task import Inpainting, Task
from defectgen.manifest import GOOD, make_seed
from defectgen.nn.embed import ANY_DEFECT
from defectgen.spec import DataSpec

CLASSES = [GOOD, "defect", *DESCRIPTIONS]  # of the prior; number ANY_DEFECT says no more than that there is one
UNSAID = 0.25  # share of the prior's defects that are only called a defect


class DrawnExamples(Dataset[Example]):
    """Example number i of an endless stream, for i below `length`.

    A defect that the spec has no class for, as a product's has not, is shown with its label dropped.

    Args:
        spec: channels, classes and size of the examples.
        length: number of examples.
        good_share: share of clean patches, repainted as good.
        drop: share of examples without their label.
        seed: of the drawings and everything else.
        task: what of them is given.
    """

    def __init__(
        self,
        spec: DataSpec,
        length: int,
        good_share: float,
        drop: float,
        seed: int,
        task: Task = Inpainting(),  # noqa: B008 - stateless
    ) -> None:
        self.spec, self.length, self.good_share, self.drop, self.seed = spec, length, good_share, drop, seed
        self.task = task
        self.teacher = Teacher(spec.size, make_seed(seed, "teacher"))
        self.offset = np.random.default_rng(make_seed(seed, "drawn levels")).random()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        rng, lesson = np.random.default_rng((self.seed, index)), self.teacher(index)
        good = rng.random() < self.good_share
        region = grow(lesson.mask, rng.uniform(*DILATION))
        label = 0 if good else self._label(lesson, rng)
        if rng.random() < self.drop:
            label = len(self.spec.classes)
        uniform = (self.offset + index * GOLDEN) % 1.0
        patch = to_float(lesson.clean if good else lesson.picture)
        if self.spec.channels == 1:
            patch = patch.mean(axis=0, keepdims=True)
        noise_seed, asked = int(rng.integers(2**62)), Asked.only(label, patch)
        return example(patch, self.task.given(patch, region, rng), asked, uniform, noise_seed, lesson.grey)

    def _label(self, lesson: Lesson, rng: np.random.Generator) -> int:
        if lesson.description not in self.spec.classes:
            return len(self.spec.classes)
        return ANY_DEFECT if rng.random() < UNSAID else self.spec.number(lesson.description)


class HeldDrawings(Dataset[Example]):
    """`count` defects that no training example shows, at every level of LEVELS, always with the same noise."""

    def __init__(self, spec: DataSpec, count: int, seed: int) -> None:
        self.drawn = DrawnExamples(spec, count, 0.0, 0.0, make_seed(seed, "held drawings"))

    def __len__(self) -> int:
        return len(self.drawn) * len(LEVELS)

    def __getitem__(self, index: int) -> Example:
        number, level = divmod(index, len(LEVELS))
        drawn = self.drawn[number]
        drawn["uniform"] = torch.tensor(LEVELS[level], dtype=torch.float64)
        return drawn


class Mixed(Dataset[Example]):
    """Of every example a coin says whether it is the product's own or, with the probability `share`, the other one.

    `mixed_in` of an example says which.
    """

    def __init__(self, own: SizedExamples, other: SizedExamples, share: float, seed: int) -> None:
        self.own, self.other, self.share, self.seed = own, other, share, make_seed(seed, "mixed")

    def __len__(self) -> int:
        return len(self.own)

    def __getitem__(self, index: int) -> Example:
        other = bool(np.random.default_rng((self.seed, index)).random() < self.share)
        return (self.other if other else self.own)[index] | {"mixed_in": torch.tensor(other)}
