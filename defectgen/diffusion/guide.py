"""Guides: denoisers around denoisers, applied innermost first."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise


class Guide(ABC):
    """Makes another denoiser of a denoiser."""

    @abstractmethod
    def wrap(self, denoise: Denoise) -> Denoise:
        """The guided denoiser."""


class ClassifierFree(Guide):
    """D_u + scale (D_c - D_u), with D_u told nothing that can be dropped (Ho & Salimans 2022, eq. 6, w = scale - 1).

    scale: 1 is the plain conditional denoiser, 0 the unconditional one.
    """

    def __init__(self, scale: float = 1.5) -> None:
        self.scale = scale

    def wrap(self, denoise: Denoise) -> Denoise:
        return _ClassifierFree(denoise, self.scale)


class _ClassifierFree(Denoise):
    def __init__(self, inner: Denoise, scale: float) -> None:
        self.inner, self.scale = inner, scale

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        told, untold = self.inner(x.repeat(2, 1, 1, 1), sigma.repeat(2), cond.doubled()).chunk(2)
        return untold + self.scale * (told - untold)


class Clip(Guide):
    """Static thresholding: the estimate is clamped to the range of pictures, [-1, 1] (Ho et al. 2020, sec. 3.2)."""

    def wrap(self, denoise: Denoise) -> Denoise:
        return _Clip(denoise)


class _Clip(Denoise):
    def __init__(self, inner: Denoise) -> None:
        self.inner = inner

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return self.inner(x, sigma, cond).clamp(-1, 1)


def guided(denoise: Denoise, guides: Sequence[Guide]) -> Denoise:
    """The denoiser inside all guides, the first one innermost."""
    for guide in guides:
        denoise = guide.wrap(denoise)
    return denoise
