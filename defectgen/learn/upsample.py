"""Upsampling by diffusion: what an upsampler is told, its training examples, and drawing with it.

It raises a picture FACTOR times (Ho et al. 2022, CDM; Saharia et al. 2022, SR3). Besides the low-resolution picture it
sees the clean surroundings at full resolution and paints inside the region only. The low-resolution picture is given
some noise and the network is told how much (conditioning augmentation, Ho et al. 2022, sec. 4.2): so it learns to doubt
details that another network has painted.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.guide import Guide, guided
from defectgen.diffusion.sample import KnownClean, sample, seeded
from defectgen.diffusion.solve import Solver
from defectgen.imaging.augment import Augment
from defectgen.imaging.files import Mask
from defectgen.imaging.region import grow
from defectgen.learn.data import DILATION, GOLDEN, Example, example
from defectgen.learn.large import PatchSet
from defectgen.learn.precision import Precision
from defectgen.manifest import make_seed

FACTOR = 4  # side of the picture over that of the low-resolution one
PROJECTIONS = 2  # steps back towards pictures whose area averages are those given (Irani & Peleg 1991)
AUGMENTATION = (0.01, 0.3)  # levels of noise that the low-resolution picture is given in training, log-uniform


class UpsamplingExample(Example):
    """One training example of an upsampler, or a batch of them."""

    low: Tensor  # like x0: the low-resolution picture with noise added, enlarged
    augmentation: Tensor  # () float32, log of the level of that noise


def upsampling(x0: Tensor, region: Tensor, low: Tensor, label: Tensor, augmentation: Tensor, classes: int) -> Condition:
    """The condition of an upsampler: surroundings (B, C, H, W) with the region (B, 1, H, W) blanked, and `low` beside.

    low (B, C, H, W): the low-resolution picture, enlarged; augmentation (B,): log of its noise level.
    """
    return Condition(torch.cat([x0 * (1 - region), low], dim=1), region, label, classes, augmentation)


def upsampling_of(batch: UpsamplingExample, classes: int) -> Condition:
    """That of a batch of training examples."""
    return upsampling(batch["x0"], batch["region"], batch["low"], batch["label"], batch["augmentation"], classes)


def reduced(pictures: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, H / FACTOR, W / FACTOR), by area."""
    return functional.avg_pool2d(pictures, FACTOR)


def enlarged(pictures: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, FACTOR H, FACTOR W), bicubic."""
    return functional.interpolate(pictures, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)


class Upsampler:
    """Draws at full resolution what is given at low resolution.

    augmentation: level of noise that the low-resolution pictures are given; trajectory: noise levels walked, float64.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        trajectory: Tensor,
        classes: int,
        solver: Solver,
        guides: Sequence[Guide],
        augmentation: float,
        precision: Precision = "32-true",
    ) -> None:
        self.denoise = guided(denoiser, guides)
        self.solver, self.trajectory, self.classes, self.augmentation = solver, trajectory, classes, augmentation
        self.device = next(denoiser.parameters()).device
        self.half = precision == "bf16-mixed"

    def __call__(
        self,
        clean: NDArray[np.float32],
        regions: NDArray[np.bool_],
        low: NDArray[np.float32],
        labels: Sequence[int],
        seeds: Sequence[int],
    ) -> NDArray[np.float32]:
        """Draw into clean pictures (N, C, H, W) in [-1, 1], regions (N, H, W), what `low` shows there.

        low (N, C, H / FACTOR, W / FACTOR); class numbers and seeds (N,) each. Outside the region the result equals the
        clean picture bit for bit; inside, its area averages are those of `low` as far as the region reaches.
        """
        known, small = torch.from_numpy(clean).to(self.device), torch.from_numpy(low).to(self.device)
        region = torch.from_numpy(regions[:, None].astype(np.float32)).to(self.device)
        randn = seeded(seeds, clean.shape[1:], self.device)
        noise = self.trajectory[0].float() * randn()
        doubted = small + self.augmentation * seeded([make_seed(seed, "low") for seed in seeds], low.shape[1:])()
        level = torch.full((len(small),), float(np.log(self.augmentation)), device=self.device)
        named = torch.tensor(list(labels), device=self.device)
        cond = upsampling(known, region, enlarged(doubted), named, level, self.classes)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            drawn = sample(self.denoise, self.solver, self.trajectory, noise, cond, randn, KnownClean(known, region))
        for _ in range(PROJECTIONS):
            drawn = drawn + region * enlarged(small - reduced(drawn))
        return torch.where(region > 0, drawn, known).cpu().numpy()


class UpsamplingExamples(Dataset[UpsamplingExample]):
    """Example number i of an endless stream, for i below `length`: crops of large patches.

    Args:
        patches: pictures (C, S, S) in [-1, 1], their masks (S, S) and class numbers.
        crop: side of an example in pixels, a multiple of FACTOR, at most S.
        flips: symmetries of the product.
        length: number of examples.
        drop: share of examples without their label.
        dropped: the number that says so.
        seed: of everything.
    """

    def __init__(
        self,
        patches: PatchSet,
        crop: int,
        flips: list[str],
        length: int,
        drop: float,
        dropped: int,
        seed: int,
    ) -> None:
        self.patches, self.crop, self.length, self.seed = patches, crop, length, seed
        self.drop, self.dropped, self.augment = drop, dropped, Augment(flips)
        self.offset = np.random.default_rng(make_seed(seed, "levels")).random()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> UpsamplingExample:
        rng = np.random.default_rng((self.seed, index))
        picture, mask, label = self.patches[int(rng.integers(len(self.patches)))]
        picture, mask = self.augment.pair(picture, mask, int(rng.integers(2**32)))
        rows, columns = _window(mask, self.crop, rng)
        picture, mask = picture[:, rows, columns], mask[rows, columns]
        region = grow(mask, FACTOR * rng.uniform(*DILATION))
        if rng.random() < self.drop:
            label = self.dropped
        uniform = (self.offset + index * GOLDEN) % 1.0
        drawn = example(np.ascontiguousarray(picture), region, label, uniform, int(rng.integers(2**62)))
        level = float(np.exp(rng.uniform(*np.log(AUGMENTATION))))
        return UpsamplingExample(
            **drawn, low=_doubted(drawn["x0"], level, rng), augmentation=torch.tensor(np.log(level)).float()
        )


def _window(mask: Mask, crop: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square of `crop` pixels about a pixel of the mask drawn at random, on the grid of the low resolution."""
    places = np.argwhere(mask)
    centre = places[rng.integers(len(places))]
    starts = np.clip(centre - rng.integers(crop // 4, 3 * crop // 4, 2), 0, mask.shape[0] - crop) // FACTOR * FACTOR
    return slice(starts[0], starts[0] + crop), slice(starts[1], starts[1] + crop)


def _doubted(x0: Tensor, level: float, rng: np.random.Generator) -> Tensor:
    """The low-resolution picture of x0 (C, H, W) with noise of this level, enlarged to its size."""
    small = reduced(x0[None])
    noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62))))
    return enlarged(small + level * noise)[0]
