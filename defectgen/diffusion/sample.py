"""Sampling: a denoiser, a solver and a list of noise levels.

The loop is the whole of it: walk consecutive pairs of levels; a step down is the solver's, a step up adds exactly the
noise that is missing. Known pixels are put back whenever the denoiser looks, and at the end. Put back only after a
step, they would be spoilt at the second look of a Heun step and at that of a churned one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.solve import Estimate, Look, Randn, Solver


def resampling(trajectory: Tensor, jump: int, repeats: int) -> Tensor:
    """The trajectory with its blocks of `jump` steps walked `repeats` times each.

    RePaint's resampling (Lugmayr et al. 2022, sec. 4.2 and app. B).
    Blocks are counted from the lowest level above 0; what is left over at the top, less than a block, is walked once.
    Going back up and down again brings what was drawn inside the region and what is known around it to agree; it
    wants a stochastic solver. 250 steps with jump 10 and repeats 10 are 2,410 steps down; repeats 1 changes nothing.

    trajectory: float64 (N + 1,), ending at 0, as from `Schedule.trajectory`.
    """
    steps = len(trajectory) - 1
    if jump < 1 or repeats < 1:
        raise ValueError(f"jump and repeats must be at least 1, not {jump} and {repeats}")
    if repeats > 1 and jump >= steps:
        raise ValueError(f"a block of {jump} steps does not fit into {steps}; take a shorter jump or more steps")
    lows = range(steps - 1, jump - 1, -jump)  # indices of the levels that are climbed from
    walk: list[Tensor] = []
    for index in range(steps + 1):
        walk.append(trajectory[index : index + 1])
        if index in lows:
            walk.extend([trajectory[index - jump : index + 1]] * (repeats - 1))
    return torch.cat(walk)


class Known(ABC):
    """Restores the pixels that are not to be synthesised."""

    @abstractmethod
    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> Tensor:
        """x (B, C, H, W) at level sigma (float64 scalar) with its known pixels put back."""


class KnownNothing(Known):
    """Every pixel is to be synthesised."""

    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> Tensor:
        return x


class KnownClean(Known):
    """Known pixels are clean at every level, as an inpainter is trained to see them.

    picture (B, C, H, W) in [-1, 1]; region (B, 1, H, W), 1 = to be synthesised.
    """

    def __init__(self, picture: Tensor, region: Tensor) -> None:
        self.picture, self.unknown = picture, region > 0

    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> Tensor:
        return torch.where(self.unknown, x, self.picture)


class KnownNoised(Known):
    """Known pixels are as noisy as the others (Lugmayr et al. 2022, eq. 8a).

    For a denoiser of whole pictures, told a condition whose region is all of them.

    picture (B, C, H, W) in [-1, 1]; region (B, 1, H, W), 1 = to be synthesised.
    """

    def __init__(self, picture: Tensor, region: Tensor) -> None:
        self.picture, self.unknown = picture, region > 0

    def __call__(self, x: Tensor, sigma: Tensor, randn: Randn) -> Tensor:
        known = self.picture if sigma == 0 else self.picture + sigma.to(x.dtype) * randn()
        return torch.where(self.unknown, x, known)


@torch.no_grad()
def sample(
    denoise: Denoise,
    solver: Solver,
    trajectory: Tensor,
    x: Tensor,
    cond: Condition,
    randn: Randn,
    known: Known = KnownNothing(),  # noqa: B008 - stateless
) -> Tensor:
    """Draw pictures (B, C, H, W) by walking `trajectory` (N,), float64, which ends at 0.

    x (B, C, H, W) is at the trajectory's first level: `trajectory[0] * randn()` where nothing of a picture is left.
    The arithmetic is float32 whatever precision the network computes in.
    """
    look = looking(denoise, cond, known, randn)
    last: Estimate | None = None
    for sigma, to in pairwise(trajectory):
        if to > sigma:
            x, last = x + (to**2 - sigma**2).sqrt().to(x.dtype) * randn(), None
        else:
            x, last = solver.step(look, x, sigma, to, randn, last)
    return known(x, trajectory[-1], randn)


def looking(denoise: Denoise, cond: Condition, known: Known, randn: Randn) -> Look:
    """The denoiser as solvers ask it: it always sees the known pixels, wherever between two levels it is asked."""
    return lambda x, sigma: denoise(known(x, sigma, randn), sigma.to(x.device).expand(len(x)), cond)


def seeded(seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> Randn:
    """A noise source for a batch: sample i draws `shape` = (C, H, W) from seeds[i] alone, on the CPU.

    A sample's picture depends neither on its batch mates' seeds nor on the device.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return lambda: torch.stack([torch.randn(*shape, generator=generator) for generator in generators]).to(device)
