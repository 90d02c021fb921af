r"""Inversion: the noise that a picture would have been drawn from.

Sampled again under the same condition, with `KnownClean(picture, cond.region)`, it gives the picture back; under
another label, or moved, a variant of it. Pixels outside the condition's region stay those of the picture.
"""

from itertools import pairwise

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.sample import KnownClean, looking
from defectgen.diffusion.solve import DDIM, DDPM, Look, Randn


@torch.no_grad()
def ddim_inversion(
    denoise: Denoise, trajectory: Tensor, picture: Tensor, cond: Condition, iterations: int = 5
) -> Tensor:
    """x (B, C, H, W) at the trajectory's first level, from which DDIM(eta=0) walks to `picture`.

    Up the probability flow (Song et al. 2021, DDIM, sec. 4.3), but with the sampler's steps themselves undone: the
    usual step up, which takes its slope at the wrong end, drifts.

    picture (B, C, H, W) in [-1, 1]; trajectory (N,) float64, falling to 0; iterations: of the denoiser for each step.
    """
    look, x = _looking(denoise, cond, picture), picture
    for to, sigma in pairwise(trajectory.flip(0)):
        x = _undone(look, x, sigma, to, iterations)
    return x


@torch.no_grad()
def ddpm_inversion(
    denoise: Denoise,
    solver: DDPM,
    trajectory: Tensor,
    picture: Tensor,
    cond: Condition,
    randn: Randn,
    iterations: int = 5,
) -> tuple[Tensor, Randn]:
    """x at the trajectory's first level and a source of the noises with which `solver` walks from it to `picture`.

    Edit-friendly (Huberman-Spiegelglas et al. 2024, alg. 1): every level is the picture under noise of its own, drawn
    from `randn`, not a path; the noises that lead from each to the next hold the picture's layout under another
    condition. The last step adds none, so the lowest level is what that step brings to the picture: it comes back
    whole, where in the paper the last denoising remains.

    picture (B, C, H, W) in [-1, 1]; trajectory (N,) float64, falling to 0. The source serves one sampling.
    """
    look, (*highs, lowest, end) = _looking(denoise, cond, picture), trajectory
    levels = [picture + sigma.to(picture.dtype) * randn() for sigma in highs]
    levels.append(_undone(look, picture, lowest, end, iterations))
    noises = []
    for (sigma, to), (x, below) in zip(pairwise(trajectory[:-1]), pairwise(levels), strict=True):
        mean = solver.mean(look(x, sigma), x, sigma, to)
        noises.append((below - mean) / solver.deviation(sigma, to).to(x.dtype))
    return levels[0], iter(noises).__next__


def _looking(denoise: Denoise, cond: Condition, picture: Tensor) -> Look:
    return looking(denoise, cond, KnownClean(picture, cond.region), _no_noise)


def _no_noise() -> Tensor:
    raise AssertionError("neither clean pixels nor DDIM(eta=0) draw noise")


def _undone(look: Look, x: Tensor, sigma: Tensor, to: Tensor, iterations: int) -> Tensor:
    r"""The picture at level `sigma` that DDIM(eta=0) brings to x at level `to`, both float64 scalars.

    Newton's iteration with the step's slope r + (1 - r) D', r = to / sigma, taken for pictures of unit variance,
    D' = 1 / (1 + sigma^2). For D' between 0 and twice that it converges, at every r, 0 included.
    """
    ratio = to / sigma
    slope = (ratio + (1 - ratio) / (1 + sigma**2)).to(x.dtype)
    guess = x
    for _ in range(iterations):
        stepped, _ = DDIM().step(look, guess, sigma, to, _no_noise, None)
        guess = guess + (x - stepped) / slope
    return guess
