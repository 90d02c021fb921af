"""Guides: denoisers around denoisers, applied innermost first."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.likelihood import Likelihood


class Guide(ABC):
    """Makes another denoiser of a denoiser."""

    @abstractmethod
    def wrap(self, denoise: Denoise) -> Denoise:
        """The guided denoiser."""

    def informed(self, likelihood: Likelihood) -> "Guide":
        """Itself; one that needs a likelihood and was given none, with this one."""
        return self


class NoLikelihood(ValueError):
    """A guide needs a likelihood and was given none."""


class ClassifierFree(Guide):
    """D_u + scale (D_c - D_u), with D_u told nothing that can be dropped (Ho & Salimans 2022, eq. 6, w = scale - 1).

    Args:
        scale: 1 is the plain conditional denoiser, 0 the unconditional one.
    """

    def __init__(self, scale: float = 1.5) -> None:
        self.scale = _finite(scale)

    def wrap(self, denoise: Denoise) -> Denoise:
        return _ClassifierFree(denoise, self.scale)


class _ClassifierFree(Denoise):
    def __init__(self, inner: Denoise, scale: float) -> None:
        self.inner, self.scale = inner, scale

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        told, untold = self.inner(x.repeat(2, 1, 1, 1), sigma.repeat(2), cond.doubled()).chunk(2)
        return untold + self.scale * (told - untold)


class Classifier(Guide):
    r"""D + scale sigma^2 grad_x log p(label | x) (Dhariwal & Nichol 2021, eq. 14 and alg. 2).

    The score is (D - x) / sigma^2, so a gradient added to the score moves D by sigma^2 times it. Where the label is
    dropped nothing pulls, and nothing outside the region, where pictures are clean.

    Args:
        likelihood: log p(label | x) of noisy pictures; without one, the one that `train.likelihood` has trained.
        scale: 1 is Bayes' rule for a denoiser that knows no labels, more exaggerates the class.
    """

    def __init__(self, likelihood: Likelihood | None = None, scale: float = 1.0) -> None:
        self.likelihood, self.scale = likelihood, _finite(scale)

    def informed(self, likelihood: Likelihood) -> Guide:
        return Classifier(likelihood, self.scale) if self.likelihood is None else self

    def wrap(self, denoise: Denoise) -> Denoise:
        """The guided denoiser.

        Raises:
            NoLikelihood: it has none.
        """
        if self.likelihood is None:
            raise NoLikelihood("Classifier has no likelihood")
        return _Classifier(denoise, self.likelihood, self.scale)


class _Classifier(Denoise):
    def __init__(self, inner: Denoise, likelihood: Likelihood, scale: float) -> None:
        self.inner, self.likelihood, self.scale = inner, likelihood, scale

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.likelihood(leaf, sigma, cond).sum(), leaf)
        pull = self.scale * sigma**2 * (cond.label != cond.dropped)
        return self.inner(x, sigma, cond) + pull.to(x.dtype).reshape(-1, 1, 1, 1) * gradient * cond.region


class Clip(Guide):
    """Static thresholding: the estimate is clamped to the range of pictures (Saharia et al. 2022, Imagen, sec. 2.3)."""

    def wrap(self, denoise: Denoise) -> Denoise:
        return _Clip(denoise)


class _Clip(Denoise):
    def __init__(self, inner: Denoise) -> None:
        self.inner = inner

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return self.inner(x, sigma, cond).clamp(-1, 1)


class Dynamic(Guide):
    """Dynamic thresholding (Saharia et al. 2022, Imagen, sec. 2.3), inside the region.

    Per picture s = max(1, quantile of |x0| over the region's values); the estimate is clamped to [-s, s] and divided
    by s. Over the whole picture a defect of 20 pixels would never reach the quantile.

    Args:
        quantile: above 0, at most 1.
    """

    def __init__(self, quantile: float = 0.995) -> None:
        if not 0 < quantile <= 1:
            raise ValueError(f"quantile must lie in (0, 1], not {quantile}")
        self.quantile = quantile

    def wrap(self, denoise: Denoise) -> Denoise:
        return _Dynamic(denoise, self.quantile)


class _Dynamic(Denoise):
    def __init__(self, inner: Denoise, quantile: float) -> None:
        self.inner, self.quantile = inner, quantile

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        x0 = self.inner(x, sigma, cond)
        inside = torch.where(cond.region > 0, x0.abs(), torch.nan).flatten(1)
        limit = inside.nanquantile(self.quantile, dim=1).nan_to_num(1).clamp(min=1).reshape(-1, 1, 1, 1)
        return x0.clamp(-limit, limit) / limit


def guided(denoise: Denoise, guides: Sequence[Guide]) -> Denoise:
    """The denoiser inside all guides, the first one innermost."""
    for guide in guides:
        denoise = guide.wrap(denoise)
    return denoise


def _finite(scale: float) -> float:
    if not isfinite(scale):
        raise ValueError(f"scale must be a finite number, not {scale}")
    return scale
