"""Sampling: a denoiser, a solver and a list of noise levels.

The loop is the whole of it: walk consecutive pairs of levels; a step down is the solver's, a step up adds exactly the
noise that is missing; then the known pixels are put back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise

Randn = Callable[[], Tensor]  # fresh standard normal noise (B, C, H, W), every sample's from its own seed


class Solver(ABC):
    """One step from noise level sigma down to a lower one."""

    @abstractmethod
    def step(self, denoise: Denoise, x: Tensor, sigma: Tensor, to: Tensor, cond: Condition, randn: Randn) -> Tensor:
        """x (B, C, H, W) at level `sigma` to level `to`; both float64 scalars, sigma > to >= 0."""


class DDIM(Solver):
    """The generalised step of Song et al. 2021 (eq. 12, 16) in sigma coordinates.

    up = eta to sqrt(1 - to^2 / sigma^2) of the new noise is fresh, down = sqrt(to^2 - up^2) of it is the old.
    eta = 0 is deterministic, eta = 1 is DDPM's ancestral step (Ho et al. 2020, eq. 7, the smaller variance).
    """

    def __init__(self, eta: float = 0.0) -> None:
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], not {eta}")
        self.eta = eta

    def step(self, denoise: Denoise, x: Tensor, sigma: Tensor, to: Tensor, cond: Condition, randn: Randn) -> Tensor:
        x0 = denoise(x, sigma.expand(len(x)), cond)
        up = self.eta * to * (1 - (to / sigma) ** 2).sqrt()
        down = (to**2 - up**2).sqrt()
        stepped = x0 + (down / sigma).to(x.dtype) * (x - x0)
        return stepped + up.to(x.dtype) * randn() if up > 0 else stepped


class Known(ABC):
    """Restores the pixels that are not to be synthesised after every step."""

    @abstractmethod
    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> Tensor:
        """x (B, C, H, W) at level sigma (scalar) with its known pixels put back."""


class KnownClean(Known):
    """Known pixels stay clean at every level, as an inpainter is trained to see them.

    picture (B, C, H, W) in [-1, 1]; region (B, 1, H, W), 1 = to be synthesised.
    """

    def __init__(self, picture: Tensor, region: Tensor) -> None:
        self.picture, self.unknown = picture, region > 0

    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> Tensor:
        return torch.where(self.unknown, x, self.picture)


@torch.no_grad()
def sample(
    denoise: Denoise,
    solver: Solver,
    trajectory: Tensor,
    cond: Condition,
    randn: Randn,
    known: Known | None = None,
) -> Tensor:
    """Draw pictures (B, C, H, W) from noise by walking `trajectory` (N,), float64, which ends at 0.

    The arithmetic is float32 whatever precision the network computes in.
    """
    x = trajectory[0].float() * randn()
    if known:
        x = known(x, trajectory[0], randn)
    for sigma, to in pairwise(trajectory):
        if to > sigma:
            x = x + (to**2 - sigma**2).sqrt().to(x.dtype) * randn()
        else:
            x = solver.step(denoise, x, sigma, to, cond, randn)
        if known:
            x = known(x, to, randn)
    return x


def seeded(seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> Randn:
    """A noise source for a batch: sample i draws `shape` = (C, H, W) from seeds[i] alone, on the CPU.

    A sample's picture depends neither on its batch mates' seeds nor on the device.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return lambda: torch.stack([torch.randn(*shape, generator=generator) for generator in generators]).to(device)
