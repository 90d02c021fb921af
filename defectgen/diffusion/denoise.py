r"""Denoisers D(x, sigma, cond) -> x0, the networks inside them, and the loss that trains them.

A network F becomes a denoiser through a parametrisation (Karras et al. 2022, eq. 7):

    D(x, sigma) = skip(sigma) x + out(sigma) F(into(sigma) x, log sigma)
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from defectgen.condition import Condition


class Denoise(ABC):
    """Anything that estimates the clean picture from a noisy one."""

    @abstractmethod
    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        """Estimate of x0, shaped like x.

        x (B, C, H, W) = x0 + sigma n; sigma (B,) float64, above 0.
        """


class Scaling(NamedTuple):
    """The coefficients of one parametrisation at given levels, each shaped like sigma."""

    skip: Tensor
    out: Tensor
    into: Tensor


class Parametrization(ABC):
    """What the network predicts, expressed as a scaling of its input and output."""

    @abstractmethod
    def __call__(self, sigma: Tensor, sigma_data: float) -> Scaling:
        """Coefficients for levels `sigma` (B,), in its type; sigma_data is the pictures' standard deviation."""


class Eps(Parametrization):
    """The noise n itself (Ho et al. 2020, eq. 11): skip = 1, out = -sigma, into = 1 / sqrt(1 + sigma^2).

    At high noise the error of x0 is sigma times the network's: prefer V or EDM for trajectories of few steps.
    """

    def __call__(self, sigma: Tensor, sigma_data: float) -> Scaling:
        return Scaling(torch.ones_like(sigma), -sigma, (1 + sigma**2).rsqrt())


class X0(Parametrization):
    """The clean picture (Salimans & Ho 2022, sec. 4): skip = 0, out = 1, into = 1 / sqrt(1 + sigma^2)."""

    def __call__(self, sigma: Tensor, sigma_data: float) -> Scaling:
        return Scaling(torch.zeros_like(sigma), torch.ones_like(sigma), (1 + sigma**2).rsqrt())


class V(Parametrization):
    r"""v = sqrt(abar) n - sqrt(1 - abar) x0 (Salimans & Ho 2022, app. D).

    In sigma coordinates: skip = 1 / (1 + sigma^2), out = -sigma / sqrt(1 + sigma^2), into = 1 / sqrt(1 + sigma^2).
    """

    def __call__(self, sigma: Tensor, sigma_data: float) -> Scaling:
        into = (1 + sigma**2).rsqrt()
        return Scaling(into**2, -sigma * into, into)


class EDM(Parametrization):
    """Unit variance of the network's input and target for pictures of spread sigma_data (Karras et al. 2022, tab. 1).

    With r = sqrt(sigma^2 + sigma_data^2): skip = sigma_data^2 / r^2, out = sigma sigma_data / r, into = 1 / r. It is
    -V for pictures measured in units of sigma_data.
    """

    def __call__(self, sigma: Tensor, sigma_data: float) -> Scaling:
        into = (sigma**2 + sigma_data**2).rsqrt()
        return Scaling((sigma_data * into) ** 2, sigma * sigma_data * into, into)


class Weighting(ABC):
    """Weight of the squared x0 error at each level: the same for every parametrisation."""

    @abstractmethod
    def __call__(self, sigma: Tensor, sigma_data: float) -> Tensor:
        """Weights for levels `sigma` (B,), in its type; sigma_data is the pictures' standard deviation."""


class Simple(Weighting):
    """1 / sigma^2: every level's error of the noise weighs the same, DDPM's L_simple (Ho et al. 2020, eq. 14)."""

    def __call__(self, sigma: Tensor, sigma_data: float) -> Tensor:
        return sigma.pow(-2)


class UniformV(Weighting):
    """1 + 1 / sigma^2: every level's error of v weighs the same, "SNR + 1" (Salimans & Ho 2022, sec. 4)."""

    def __call__(self, sigma: Tensor, sigma_data: float) -> Tensor:
        return 1 + sigma.pow(-2)


class EDMWeighting(Weighting):
    """1 / sigma_data^2 + 1 / sigma^2: every level's error of EDM's answer weighs the same (Karras et al. 2022, tab. 1).

    A fresh EDM network, which answers 0, loses 1 at every level.
    """

    def __call__(self, sigma: Tensor, sigma_data: float) -> Tensor:
        return sigma.pow(-2) + sigma_data**-2


class MinSNR(Weighting):
    """min(1 / sigma^2, gamma): for every parametrisation the same weight of the x0 error (Hang et al. 2023, sec. 3.4).

    Args:
        gamma: largest weight, above 0.
    """

    def __init__(self, gamma: float = 5.0) -> None:
        if not gamma > 0:
            raise ValueError(f"gamma must be above 0, not {gamma}")
        self.gamma = gamma

    def __call__(self, sigma: Tensor, sigma_data: float) -> Tensor:
        return sigma.pow(-2).clamp(max=self.gamma)


class Backbone(nn.Module, ABC):
    """A network F(x, level, cond) -> (B, C, H, W)."""

    @abstractmethod
    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        """x (B, C, H, W), about unit variance at high noise; level (B,) = log sigma; returns (B, C, H, W)."""


class Denoiser(nn.Module, Denoise):
    """A network seen through a parametrisation. Scaling and sum stay in float32 whatever the network computes in.

    Only the region is noisy: known pixels reach the network scaled as level 0 is, the same at every level.
    sigma_data: standard deviation of the pictures, in units of [-1, 1].
    """

    def __init__(self, network: Backbone, parametrization: Parametrization, sigma_data: float) -> None:
        super().__init__()
        self.network, self.parametrization, self.sigma_data = network, parametrization, sigma_data

    def forward(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        skip, out, _ = (_per_pixel(factor, x) for factor in self.parametrization(sigma.double(), self.sigma_data))
        seen = scaled(x, sigma, cond, self.parametrization, self.sigma_data)
        answer = self.network(seen, sigma.log().to(x.dtype), cond)
        return skip * x + out * answer.to(x.dtype)


def scaled(x: Tensor, sigma: Tensor, cond: Condition, parametrization: Parametrization, sigma_data: float) -> Tensor:
    """x (B, C, H, W) at levels sigma (B,) as a network sees it: about unit variance, known pixels as level 0 is."""
    into, clean = (
        _per_pixel(parametrization(level.double(), sigma_data).into, x) for level in (sigma, torch.zeros_like(sigma))
    )
    return torch.where(cond.region > 0, into, clean) * x


def noised(x0: Tensor, noise: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
    """x0 (B, C, H, W) with sigma (B,) times the noise, like x0; pixels outside the region stay clean."""
    return x0 + _per_pixel(sigma, x0) * noise * cond.region


def denoising_loss(
    denoise: Denoise, x0: Tensor, noise: Tensor, sigma: Tensor, weight: Tensor, cond: Condition
) -> Tensor:
    """Weighted squared x0 error inside the region, averaged over its area: (B,), independent of that area.

    x0 (B, C, H, W) in [-1, 1]; noise like x0, standard normal; sigma and weight (B,); `cond.region` never empty.
    Pixels outside the region stay clean, as they will be when sampling.
    """
    error = (denoise(noised(x0, noise, sigma, cond), sigma, cond) - x0).square().mean(dim=1, keepdim=True) * cond.region
    return weight.to(x0.dtype) * error.sum(dim=(1, 2, 3)) / cond.region.sum(dim=(1, 2, 3))


def _per_pixel(factor: Tensor, x: Tensor) -> Tensor:
    return factor.to(x.dtype).reshape(-1, 1, 1, 1)
