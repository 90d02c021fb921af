r"""Solvers: one step from a noise level down to a lower one.

With D = look(x, sigma), what is taken for the picture, (x - D) / sigma is what is taken for the noise, and also the
slope dx / dsigma of the probability flow (Karras et al. 2022, eq. 1). Every step is made of three moves:

    D + (to / sigma) (x - D)    the noise is brought to a lower level,
    + up n                      fresh noise of variance up^2 replaces part of it,
    D -> a better D             corrected by a look ahead (Heun) or by the last step's (DPM-Solver++).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

Look = Callable[[Tensor, Tensor], Tensor]  # x (B, C, H, W) at level sigma () to its estimate of x0
Randn = Callable[[], Tensor]  # fresh standard normal noise (B, C, H, W), every sample's from its own seed


class Estimate(NamedTuple):
    """What a step was made from: x0 (B, C, H, W) as estimated at level sigma (float64 scalar)."""

    x0: Tensor
    sigma: Tensor


Stepped = tuple[Tensor, Estimate]


class Solver(ABC):
    """One step from noise level sigma down to a lower one. Solvers keep no state between steps."""

    @abstractmethod
    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        """x (B, C, H, W) at level `sigma` to level `to`, with the estimate the step was made from.

        sigma, to: float64 scalars, sigma > to >= 0. last: the estimate of the step that led to `sigma`; None on the
        first step and after the level was raised, when what was seen before belongs to another path.
        """


class DDPM(Solver):
    r"""Ancestral sampling (Ho et al. 2020, alg. 2): a draw from q(x_to | x, x0 = D), in sigma coordinates.

    mean = D + (to / sigma)^2 (x - D). The variance lies, in logarithm, between the posterior's
    to^2 (1 - to^2 / sigma^2) and the larger one that DDPM calls beta, (1 + to^2) (sigma^2 - to^2) / (1 + sigma^2)
    (Nichol & Dhariwal 2021, eq. 15). The step to level 0 adds none.

    Args:
        large: share of the larger variance, 0 to 1. With 0 the step is that of DDIM(eta=1).
    """

    def __init__(self, large: float = 0.0) -> None:
        if not 0 <= large <= 1:
            raise ValueError(f"large must lie in [0, 1], not {large}")
        self.large = large

    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        x0 = look(x, sigma)
        mean = self.mean(x0, x, sigma, to)
        return mean + self.deviation(sigma, to).to(x.dtype) * randn() if to > 0 else mean, Estimate(x0, sigma)

    def mean(self, x0: Tensor, x: Tensor, sigma: Tensor, to: Tensor) -> Tensor:
        """Expected x (B, C, H, W) at level `to` for the estimate x0 at `sigma`, both float64 scalars."""
        return _toward(x0, x, (to / sigma) ** 2)

    def deviation(self, sigma: Tensor, to: Tensor) -> Tensor:
        """Standard deviation of the noise added on the way from `sigma` to `to`, both float64 scalars."""
        missing = sigma**2 - to**2
        posterior, beta = to**2 * missing / sigma**2, (1 + to**2) * missing / (1 + sigma**2)
        return (posterior ** (1 - self.large) * beta**self.large).sqrt()


class DDIM(Solver):
    """The generalised step of Song et al. 2021 (eq. 12, 16) in sigma coordinates.

    up = eta to sqrt(1 - to^2 / sigma^2) of the new noise is fresh, down = sqrt(to^2 - up^2) of it is the old.

    Args:
        eta: 0 is deterministic, 1 is DDPM's ancestral step (Ho et al. 2020, eq. 7, the smaller variance).
    """

    def __init__(self, eta: float = 0.0) -> None:
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], not {eta}")
        self.eta = eta

    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        x0 = look(x, sigma)
        up = self.eta * to * (1 - (to / sigma) ** 2).sqrt()
        down = (to**2 - up**2).sqrt()
        stepped = _toward(x0, x, down / sigma)
        return stepped + up.to(x.dtype) * randn() if up > 0 else stepped, Estimate(x0, sigma)


@dataclass(frozen=True)
class Churn:
    """Raises the level a little before a step: fresh noise corrects earlier errors (Karras et al. 2022, alg. 2).

    Args:
        share: by how much, 0 to sqrt(2) - 1: the paper's gamma = min(S_churn / steps, sqrt(2) - 1).
        lowest: level below which it is not done.
        highest: level above which it is not done; highest (1 + share) should still be a level that was trained.
        noise: standard deviation of the fresh noise; slightly above 1 makes up for detail that networks smooth away.
    """

    share: float = 0.0
    lowest: float = 0.05
    highest: float = 50.0
    noise: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= sqrt(2) - 1:
            raise ValueError(f"share must lie in [0, sqrt(2) - 1], not {self.share}")
        if not (0 <= self.lowest < self.highest and 0 < self.noise < inf):
            raise ValueError(f"need 0 <= lowest < highest and noise > 0, not {self}")

    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> tuple[Tensor, Tensor]:
        """x at level sigma (float64 scalar), raised, and its new level."""
        if self.share == 0 or not self.lowest <= sigma <= self.highest:
            return x, sigma
        raised = sigma * (1 + self.share)
        return x + (self.noise * (raised**2 - sigma**2).sqrt()).to(x.dtype) * randn(), raised


class Euler(Solver):
    """Euler's step along the probability flow (Karras et al. 2022, alg. 2 without its second half).

    Without churn it is DDIM(eta=0).

    Args:
        churn: noise added before each step.
    """

    def __init__(self, churn: Churn = Churn()) -> None:
        self.churn = churn

    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        x, sigma = self.churn(x, sigma, randn)
        x0 = look(x, sigma)
        return _toward(x0, x, to / sigma), Estimate(x0, sigma)


class Heun(Solver):
    """Euler's step, then again with the mean of the slopes at both ends (Karras et al. 2022, alg. 2).

    Two calls of the denoiser, one on the step to level 0; of second order. It overshoots where a step divides the level
    by much: with few steps DPMSolver2M is the better one of second order.

    Args:
        churn: noise added before each step.
    """

    def __init__(self, churn: Churn = Churn()) -> None:
        self.churn = churn

    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        x, sigma = self.churn(x, sigma, randn)
        x0 = look(x, sigma)
        ahead = _toward(x0, x, to / sigma)
        if to == 0:
            return ahead, Estimate(x0, sigma)
        there = look(ahead, to)
        slopes = (x - x0) / sigma.to(x.dtype) + (ahead - there) / to.to(x.dtype)
        return x + ((to - sigma) / 2).to(x.dtype) * slopes, Estimate(x0, sigma)


class DPMSolver2M(Solver):
    r"""DPM-Solver++(2M): the estimate is carried on from the last one (Lu et al. 2022, alg. 2), one call a step.

    In lambda = -log sigma the picture is carried on to the middle of this step, with the slope of the last one:
    D + (D - D_last) h / (2 h_last), h = log(sigma / to); of second order. The first step, the one to level 0 and
    the one after a rise are DDIM(eta=0)'s.
    """

    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        x0 = better = look(x, sigma)
        if last is not None and to > 0:
            ratio = torch.log(sigma / to) / torch.log(last.sigma / sigma)
            better = x0 + (ratio / 2).to(x.dtype) * (x0 - last.x0)
        return _toward(better, x, to / sigma), Estimate(x0, sigma)


def _toward(x0: Tensor, x: Tensor, kept: Tensor) -> Tensor:
    """x0 with `kept` (scalar) of what lies above it in x."""
    return x0 + kept.to(x.dtype) * (x - x0)
