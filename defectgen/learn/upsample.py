"""Upsampler: draws at full resolution what is given at low resolution.

It raises a picture FACTOR times (Ho et al. 2022, CDM; Saharia et al. 2022, SR3). What it draws is the detail: the
picture less the low-resolution one enlarged, which it need not learn to copy. It sees the low-resolution picture and
the detail of the clean surroundings, and paints inside the region only. The low-resolution picture that it sees is
given some noise and it is told how much (conditioning augmentation, Ho et al. 2022, sec. 4.2): so it learns to doubt
what another network has painted.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from defectgen.condition import Condition
from defectgen.diffusion.sample import seeded
from defectgen.learn.generator import Generator
from defectgen.manifest import make_seed

DOES = "Gives a defect that was drawn at 64 px its detail at 256 px, in full-resolution surroundings."
FACTOR = 4  # side of the picture over that of the low-resolution one
HIGH = 64 * FACTOR  # side of the pictures it draws
GAIN = 6.0  # detail is multiplied by this: then it is spread about as widely as pictures are
DOUBT = 0.1  # level of the noise that the low-resolution picture is given when drawing
PROJECTIONS = 2  # steps back towards pictures whose area averages are those given (Irani & Peleg 1991)


def upsampling(x0: Tensor, region: Tensor, low: Tensor, label: Tensor, augmentation: Tensor, classes: int) -> Condition:
    """The condition of an upsampler of detail x0 (B, C, H, W), where `augmentation` (B,) is the log of low's noise."""
    return Condition(context_of(x0, region, low), region, label, classes, augmentation)


def context_of(x0: Tensor, region: Tensor, low: Tensor) -> Tensor:
    """Detail (..., C, H, W) with the region (..., 1, H, W) blanked, and `low` beside: (..., 2C, H, W).

    low (..., C, H, W): the low-resolution picture with its noise, enlarged.
    """
    return torch.cat([x0 * (1 - region), low], dim=-3)


def reduced(pictures: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, H / FACTOR, W / FACTOR), by area."""
    return functional.avg_pool2d(pictures, FACTOR)


def enlarged(pictures: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, FACTOR H, FACTOR W), bicubic."""
    return functional.interpolate(pictures, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)


def detail(pictures: Tensor, low: Tensor) -> Tensor:
    """What pictures (B, C, H, W) have beyond low (B, C, H / FACTOR, W / FACTOR), times GAIN."""
    return GAIN * (pictures - enlarged(low))


class Upsampler(Generator):
    """One function from clean pictures and what is drawn there at low resolution to drawn pictures."""

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
        doubted = small + DOUBT * seeded([make_seed(seed, "low") for seed in seeds], low.shape[1:], self.device)()
        level = torch.full((len(small),), float(np.log(DOUBT)), device=self.device)
        named = torch.tensor(list(labels), device=self.device)
        beyond = detail(known, small)
        cond = upsampling(beyond, region, enlarged(doubted), named, level, self.classes)
        drawn = enlarged(small) + self.draw(beyond, region, cond, seeds) / GAIN
        for _ in range(PROJECTIONS):
            drawn = drawn + region * enlarged(small - reduced(drawn))
        return torch.where(region > 0, drawn, known).cpu().numpy()
