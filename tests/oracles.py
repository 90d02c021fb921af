"""Denoisers and networks whose answers are known, to test everything around them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone, Denoise
from defectgen.spec import DataSpec

SPEC = DataSpec(1, ["good", "pit", "scratch"], 0.3, 64)


def randn(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal noise from a seed of its own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def square_region(batch: int, size: int, side: int) -> Tensor:
    """(batch, 1, size, size): 1 in a square of `side` pixels off the centre."""
    region = torch.zeros(batch, 1, size, size)
    region[..., 1 : 1 + side, 2 : 2 + side] = 1
    return region


def condition(picture: Tensor, region: Tensor | None = None, label: int = 1, dropped: int = 3) -> Condition:
    """What a denoiser of `picture` (B, C, H, W) is told; without a region, to draw all of it."""
    region = torch.ones_like(picture[:, :1]) if region is None else region
    return Condition(picture * (1 - region), region, torch.full((len(picture),), label), dropped)


class Gaussian(Denoise):
    """The exact denoiser of pixels drawn from N(mean, std^2): the posterior mean of x0 given x."""

    def __init__(self, mean: float, std: float) -> None:
        self.mean, self.std = mean, std

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        noise = (sigma**2).to(x.dtype).reshape(-1, 1, 1, 1)
        return (self.std**2 * x + noise * self.mean) / (self.std**2 + noise)


class Odd(Denoise):
    """Answers every pixel differently for every level, label and context, and leaves the range of pictures."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, Condition]] = []

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        self.calls.append((x.clone(), sigma, cond))
        told = cond.label.to(x.dtype).reshape(-1, 1, 1, 1) + sigma.log().to(x.dtype).reshape(-1, 1, 1, 1) / 10
        return torch.sin(3 * x) + told * (x + 0.1) + cond.context - cond.region / 3


class Scripted(Backbone):
    """Answers what it was given and keeps what it was asked."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        self.asked = (x, level, cond)
        return self.answer


class Correlated(Denoise):
    """The exact denoiser of pictures (B, 1, 1, 2) of two pixels from N(mean, covariance)."""

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean, self.covariance = mean, covariance

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        gain = self.covariance @ torch.linalg.inv(self.covariance + float(sigma[0]) ** 2 * torch.eye(2))
        return self.mean + (x - self.mean) @ gain.T


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two training examples are the same in everything."""

    def alike(value: Any, theirs: Any) -> bool:
        return torch.equal(value, theirs) if isinstance(value, torch.Tensor) else bool(value == theirs)

    return one.keys() == other.keys() and all(alike(value, other[field]) for field, value in one.items())
