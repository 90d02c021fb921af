"""Training examples as a pure function of (seed, running index), and the fixed examples of validation.

What an example is (which patch, mask, augmentation, noise level, noise, what is told) depends on nothing else: not on
workers, batches or what came before. So a killed training resumes to the same weights.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, TypeVar

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from defectgen.errors import UserError
from defectgen.imaging.augment import Augment
from defectgen.imaging.region import REACH, grow
from defectgen.learn.asked import Asked, Picture
from defectgen.learn.patches import Patches, any_of
from defectgen.learn.task import Given, Inpainting, Task
from defectgen.manifest import make_seed
from defectgen.spec import DataSpec

Item = TypeVar("Item")
GOLDEN = 0.6180339887498949  # its multiples modulo 1 fill [0, 1) evenly, so any run of examples has stratified levels
DILATION = (1.0, 4.0)  # pixels at 64 px by which a training region exceeds the defect's mask
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # places in [0, 1) of the noise levels validation looks at


class Example(TypedDict):
    """One training example, or a batch of them."""

    x0: Tensor  # (C, H, W), what is drawn: a picture in [-1, 1], of a restoration what its guess lacks
    context: Tensor  # (K, H, W), what the network sees of the picture
    region: Tensor  # (1, H, W), 1 = to be synthesised
    label: Tensor  # () int64
    noise: Tensor  # like x0, standard normal
    uniform: Tensor  # () float64 in [0, 1): where in the schedule's training levels
    text: str  # the caption, of a batch a list of them; "" where it is not told
    reference: Tensor  # (C + 1, H, W) an example beside the mask of its defect; zeros where it is not told
    mixed_in: NotRequired[Tensor]  # () bool: it is not the product's own


class TrainingExamples(Dataset[Example]):
    """Example number i of an endless stream, for i below `length`."""

    def __init__(
        self,
        patches: Patches,
        spec: DataSpec,
        length: int,
        good_share: float,
        drop: float,
        seed: int,
        task: Task = Inpainting(),  # noqa: B008 - stateless
    ) -> None:
        if not patches.tree:
            raise UserError("train: no training patch shows a defect; add defects or change ingest.fractions")
        self.patches, self.length, self.seed, self.task = patches, length, seed, task
        self.good_share = good_share if patches.good else 0.0
        self.drop, self.dropped = drop, len(spec.classes)
        self.augment = Augment(spec.flips)
        self.offset = np.random.default_rng(make_seed(seed, "levels")).random()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        rng = np.random.default_rng((self.seed, index))
        number = self.patches.draw_defect(rng)
        mask = self.patches.masks[number]
        if rng.random() < self.good_share:
            # A clean patch is repainted as good under the shape of some defect: the same task, nothing to draw.
            mask = self.augment.alone(mask, int(rng.integers(2**32)))
            number = any_of(rng, self.patches.good)
        patch, mask = self.augment.pair(self.patches.pictures[number], mask, int(rng.integers(2**32)))
        region = grow(mask, rng.uniform(*DILATION))
        told = rng.random() >= self.drop
        uniform = (self.offset + index * GOLDEN) % 1.0
        noise_seed = int(rng.integers(2**62))
        given = self.task.given(patch, region, rng)
        asked = self.patches.tell(number, patch, mask, rng)
        if not told:
            asked = Asked.only(self.dropped, patch)
        return example(patch, given, asked, uniform, noise_seed)


class ValidationExamples(Dataset[Example]):
    """Every patch of a few per class at every level of LEVELS, always with the same noise."""

    def __init__(
        self,
        patches: Patches,
        spec: DataSpec,
        per_class: int,
        seed: int,
        task: Task = Inpainting(),  # noqa: B008 - stateless
    ) -> None:
        self.patches, self.seed, self.task = patches, seed, task
        by_label: dict[int, list[int]] = defaultdict(list)
        for number, label in enumerate(patches.labels):
            by_label[label].append(number)
        chosen = [number for label in range(1, len(spec.classes)) for number in spread(by_label[label], per_class)]
        self.cases = [(number, level) for number in chosen for level in LEVELS]

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Example:
        number, level = self.cases[index]
        seed = make_seed(self.seed, "validation", number, level)
        patch, mask = self.patches.pictures[number], self.patches.masks[number]
        given = self.task.given(patch, grow(mask, REACH), np.random.default_rng(seed))
        asked = self.patches.tell(number, patch, mask, np.random.default_rng(make_seed(self.seed, "like", number)))
        return example(patch, given, asked, level, seed)


def spread(items: Sequence[Item], count: int) -> Sequence[Item]:
    """At most `count` items, evenly spread."""
    return items if len(items) <= count else [items[i * len(items) // count] for i in range(count)]


def example(patch: Picture, given: Given, asked: Asked, uniform: float, noise_seed: int, grey: bool = False) -> Example:
    """One example of a patch (C, H, W), what a network is given of it, and what it is told."""
    return Example(
        x0=torch.from_numpy(patch - given.guess),
        context=torch.from_numpy(given.context),
        region=torch.from_numpy(given.region[None].astype(np.float32)),
        label=torch.tensor(asked.label),
        noise=randn(patch.shape, noise_seed, grey),
        uniform=torch.tensor(uniform, dtype=torch.float64),
        text=asked.text,
        reference=torch.from_numpy(asked.reference),
    )


def randn(shape: Sequence[int], seed: int, grey: bool = False) -> Tensor:
    """Normal noise (..., C, H, W); `grey`: the same in every channel.

    A camera without colour has one noise: so a network for grey pictures can start from one for colour.
    """
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return noise[..., :1, :, :].expand_as(noise) if grey else noise


class From(Sampler[int]):
    """The indices from `start` to `stop`; its length counts from 0, as the trainer's batch counter does."""

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop


class SizedExamples(Protocol):
    """Examples by number, and how many there are."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


class PatchData(lightning.LightningDataModule):
    """The loaders; training continues with the example after the last one seen."""

    def __init__(self, train: SizedExamples, validation: SizedExamples | None, batch: int, workers: int = 0) -> None:
        super().__init__()
        self.train, self.validation, self.batch, self.workers = train, validation, batch, workers

    def train_dataloader(self) -> DataLoader[Any]:
        done = self.trainer.global_step * self.batch if self.trainer else 0
        return self._loader(self.train, From(done, len(self.train)))

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        return self._loader(self.validation, None) if self.validation and len(self.validation) else []

    def _loader(self, examples: Any, sampler: Sampler[int] | None) -> DataLoader[Any]:
        keep = self.workers > 0
        return DataLoader(
            examples, self.batch, sampler=sampler, num_workers=self.workers, persistent_workers=keep, pin_memory=False
        )
