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
    def __call__(self, sigma: Tensor) -> Scaling:
        """Coefficients for levels `sigma` (B,), in its type."""


class V(Parametrization):
    r"""v = sqrt(abar) n - sqrt(1 - abar) x0 (Salimans & Ho 2022, app. D).

    In sigma coordinates: skip = 1 / (1 + sigma^2), out = -sigma / sqrt(1 + sigma^2), into = 1 / sqrt(1 + sigma^2).
    """

    def __call__(self, sigma: Tensor) -> Scaling:
        into = (1 + sigma**2).rsqrt()
        return Scaling(into**2, -sigma * into, into)


class Weighting(ABC):
    """Weight of the squared x0 error at each level."""

    @abstractmethod
    def __call__(self, sigma: Tensor) -> Tensor:
        """Weights for levels `sigma` (B,), in its type."""


class MinSNR(Weighting):
    """min(1 / sigma^2, gamma): for every parametrisation the same weight of the x0 error (Hang et al. 2023, eq. 8)."""

    def __init__(self, gamma: float = 5.0) -> None:
        self.gamma = gamma

    def __call__(self, sigma: Tensor) -> Tensor:
        return sigma.pow(-2).clamp(max=self.gamma)


class Backbone(nn.Module, ABC):
    """A network F(x, level, cond) -> (B, C, H, W)."""

    @abstractmethod
    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        """x (B, C, H, W), about unit variance at high noise; level (B,) = log sigma; returns (B, C, H, W)."""


class Denoiser(nn.Module, Denoise):
    """A network seen through a parametrisation. Scaling and sum stay in float32 whatever the network computes in.

    `into` scales only the noisy region: known pixels are clean at every level and reach the network as they are.
    """

    def __init__(self, network: Backbone, parametrization: Parametrization) -> None:
        super().__init__()
        self.network = network
        self.parametrization = parametrization

    def forward(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        skip, out, into = (_per_pixel(factor, x) for factor in self.parametrization(sigma.double()))
        scaled = torch.where(cond.region > 0, into * x, x)
        answer = self.network(scaled, sigma.log().to(x.dtype), cond)
        return skip * x + out * answer.to(x.dtype)


def denoising_loss(
    denoise: Denoise, x0: Tensor, noise: Tensor, sigma: Tensor, weight: Weighting, cond: Condition
) -> Tensor:
    """Weighted squared x0 error inside the region, averaged over its area: (B,), independent of that area.

    x0 (B, C, H, W) in [-1, 1]; noise like x0, standard normal; sigma (B,); `cond.region` never empty. Pixels outside
    the region stay clean, as they will be when sampling.
    """
    x = x0 + _per_pixel(sigma, x0) * noise * cond.region
    error = (denoise(x, sigma, cond) - x0).square().mean(dim=1, keepdim=True) * cond.region
    return weight(sigma.double()).to(x0.dtype) * error.sum(dim=(1, 2, 3)) / cond.region.sum(dim=(1, 2, 3))


def _per_pixel(factor: Tensor, x: Tensor) -> Tensor:
    return factor.to(x.dtype).reshape(-1, 1, 1, 1)
