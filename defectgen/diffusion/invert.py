r"""Inversion: the noise that a picture would have been drawn from.

Sampled again under the same condition, with `KnownClean(picture, cond.region)`, it gives the picture back; under
another label, or moved, a variant of it. Pixels outside the condition's region are known and stay the picture's.

Not every step can be undone: with few steps, with strong guidance, or for a picture the denoiser holds impossible,
there may be no x that leads to it. Then both inversions give no number (NaN) within that picture's region instead of
another picture's noise, and so does what is sampled from it; the others of the batch do not notice.
"""

from itertools import pairwise

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.sample import KnownClean, looking
from defectgen.diffusion.solve import DDIM, DDPM, Randn

CLOSE = 2 / 255  # how much of a step may remain undone, per unit of x: one step of 8 bits


@torch.no_grad()
def ddim_inversion(
    denoise: Denoise, trajectory: Tensor, picture: Tensor, cond: Condition, iterations: int = 5
) -> Tensor:
    """x (B, C, H, W) at the trajectory's first level, from which DDIM(eta=0) walks to `picture`.

    Up the probability flow (Song et al. 2021, DDIM, sec. 4.3), but with the sampler's steps themselves undone: the
    usual step up, which takes its slope at the wrong end, drifts.

    picture (B, C, H, W) in [-1, 1]; trajectory (N,) float64, falling to 0; iterations: of the denoiser for each step.
    """
    undo, x = _Undo(denoise, cond, picture, iterations), picture
    for to, sigma in pairwise(trajectory.flip(0)):
        x = undo(x, sigma, to)
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
    undo, (*highs, lowest, end) = _Undo(denoise, cond, picture, iterations), trajectory
    levels = [picture + sigma.to(picture.dtype) * randn() for sigma in highs]
    levels.append(undo(picture, lowest, end))
    noises = []
    for (sigma, to), (x, below) in zip(pairwise(trajectory[:-1]), pairwise(levels), strict=True):
        mean = solver.mean(undo.look(x, sigma), x, sigma, to)
        noises.append((below - mean) / solver.deviation(sigma, to).to(x.dtype))

    def replay() -> Tensor:
        if not noises:
            raise ValueError("the noises of an inversion serve one sampling; invert again")
        return noises.pop(0)

    return levels[0], replay


class _Undo:
    """Undoes steps of DDIM(eta=0) towards a picture, within its region."""

    def __init__(self, denoise: Denoise, cond: Condition, picture: Tensor, iterations: int) -> None:
        self.look = looking(denoise, cond, KnownClean(picture, cond.region), _no_noise)
        self.region, self.iterations = cond.region, iterations

    def __call__(self, x: Tensor, sigma: Tensor, to: Tensor) -> Tensor:
        r"""The picture at level `sigma` that the step brings to x at level `to`, both float64 scalars.

        An iteration with a fixed slope: that of the step, r + (1 - r) D' with r = to / sigma, for pictures of unit
        variance, D' = 1 / (1 + sigma^2). It converges, at every r, 0 included, where the step's own slope lies between
        0 and twice that. A picture that it does not converge for in `iterations` is NaN within its region.
        """
        ratio = to / sigma
        slope = (ratio + (1 - ratio) / (1 + sigma**2)).to(x.dtype)
        guess, missing = x, self._missing(x, x, sigma, to)
        for _ in range(self.iterations):
            guess = guess + missing / slope
            missing = self._missing(guess, x, sigma, to)
        undone = missing.abs().amax(dim=(1, 2, 3), keepdim=True) <= CLOSE * max(1.0, float(to))
        return torch.where(undone | (self.region == 0), guess, torch.nan)

    def _missing(self, guess: Tensor, x: Tensor, sigma: Tensor, to: Tensor) -> Tensor:
        """What the step from `guess` lacks of x, inside the region; outside the picture is known."""
        stepped, _ = DDIM().step(self.look, guess, sigma, to, _no_noise, None)
        return (x - stepped) * self.region


def _no_noise() -> Tensor:
    raise AssertionError("neither clean pixels nor DDIM(eta=0) draw noise")
