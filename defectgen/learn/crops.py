"""Training examples of an upsampler: crops of large patches, each beside its low-resolution version with some noise."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from defectgen.condition import Condition
from defectgen.imaging.augment import Augment
from defectgen.imaging.files import Mask
from defectgen.imaging.region import REACH, grow
from defectgen.learn.asked import Asked
from defectgen.learn.data import DILATION, GOLDEN, LEVELS, Example, example, randn
from defectgen.learn.large import LargePatch, PatchSet
from defectgen.learn.task import Given
from defectgen.learn.upsample import DOUBT, FACTOR, context_of, detail, enlarged, reduced
from defectgen.manifest import make_seed

AUGMENTATION = (0.01, 0.3)  # levels of noise that the low-resolution picture is given in training, log-uniform


class UpsamplingExample(Example):
    """One training example of an upsampler, whose x0 is detail, or a batch of them."""

    augmentation: Tensor  # () float32, log of the level of the noise on the low-resolution picture in the context


def upsampling_of(batch: UpsamplingExample, classes: int) -> Condition:
    """That of a batch of training examples."""
    return Condition(batch["context"], batch["region"], batch["label"], classes, batch["augmentation"])


class UpsamplingExamples(Dataset[UpsamplingExample]):
    """Example number i of an endless stream, for i below `length`.

    Args:
        patches: where they are cut from.
        crop: side of an example in pixels, a multiple of FACTOR, at most that of a patch.
        flips: symmetries of the product.
        length: number of examples.
        drop: share of examples without their label.
        dropped: the number that says so.
        seed: of everything.
    """

    def __init__(
        self, patches: PatchSet, crop: int, flips: list[str], length: int, drop: float, dropped: int, seed: int
    ) -> None:
        self.patches, self.crop, self.length, self.seed = patches, crop, length, seed
        self.drop, self.dropped, self.augment = drop, dropped, Augment(flips)
        self.offset = np.random.default_rng(make_seed(seed, "levels")).random()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> UpsamplingExample:
        rng = np.random.default_rng((self.seed, index))
        picture, mask, label, grey = self.patches.draw(rng)
        picture, mask = self.augment.pair(picture, mask, int(rng.integers(2**32)))
        picture, mask = _window(picture, mask, self.crop, rng)
        region = grow(mask, FACTOR * rng.uniform(*DILATION))
        if rng.random() < self.drop:
            label = self.dropped
        uniform = (self.offset + index * GOLDEN) % 1.0
        level = float(np.exp(rng.uniform(*np.log(AUGMENTATION))))
        given, noise_seed = _all_of(picture, region), int(rng.integers(2**62))
        shown = example(picture, given, Asked.only(label, picture), uniform, noise_seed, grey)
        return _doubted(shown, level, rng, grey)


class HeldCrops(Dataset[UpsamplingExample]):
    """One crop of each of some large patches at every level of LEVELS, always with the same noise."""

    def __init__(self, patches: Sequence[LargePatch], crop: int, seed: int) -> None:
        self.patches, self.crop, self.seed = patches, crop, seed

    def __len__(self) -> int:
        return len(self.patches) * len(LEVELS)

    def __getitem__(self, index: int) -> UpsamplingExample:
        number, level = divmod(index, len(LEVELS))
        rng = np.random.default_rng((make_seed(self.seed, "held crops"), number))
        picture, mask, label, grey = self.patches[number]
        picture, mask = _window(picture, mask, self.crop, rng)
        region = grow(mask, FACTOR * REACH)
        given, noise_seed = _all_of(picture, region), int(rng.integers(2**62))
        shown = example(picture, given, Asked.only(label, picture), LEVELS[level], noise_seed, grey)
        return _doubted(shown, DOUBT, rng, grey)


def _window(
    picture: NDArray[np.float32], mask: Mask, crop: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Mask]:
    """A square of `crop` pixels about a pixel of the mask drawn at random, on the grid of the low resolution."""
    places = np.argwhere(mask)
    centre = places[rng.integers(len(places))]
    top, left = np.clip(centre - rng.integers(crop // 4, 3 * crop // 4, 2), 0, mask.shape[0] - crop) // FACTOR * FACTOR
    rows, columns = slice(top, top + crop), slice(left, left + crop)
    return np.ascontiguousarray(picture[:, rows, columns]), mask[rows, columns]


def _all_of(picture: NDArray[np.float32], region: Mask) -> Given:
    """The whole picture, of which `_doubted` then makes what an upsampler is given."""
    return Given(picture, region, np.zeros_like(picture))


def _doubted(shown: Example, level: float, rng: np.random.Generator, grey: bool) -> UpsamplingExample:
    """Its detail, given that of the surroundings and the low-resolution picture with noise of this level."""
    picture = shown["x0"][None]
    small = reduced(picture)
    noise = randn(small.shape, int(rng.integers(2**62)), grey)
    low, sharp = enlarged(small + level * noise)[0], detail(picture, small)[0]
    told = torch.tensor(np.log(level), dtype=torch.float32)
    seen = Example(**(shown | {"x0": sharp, "context": context_of(sharp, shown["region"], low)}))
    return UpsamplingExample(**seen, augmentation=told)
