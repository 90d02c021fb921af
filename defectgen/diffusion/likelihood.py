"""Likelihoods: what the noisy picture says of its label."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, scaled


class Likelihood(ABC):
    """log p(label | x) of noisy pictures: what a classifier trained at every noise level knows."""

    @abstractmethod
    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        """log p(cond.label | x) (B,), differentiable in x (B, C, H, W) at levels sigma (B,).

        Where the label is dropped any value will do.
        """


class LearnedLikelihood(nn.Module, Likelihood):
    r"""That of a network F which classifies noisy pictures (Dhariwal & Nichol 2021, sec. 4).

    The network sees what a `Denoiser` with EDM scaling does: unit variance in the region, known pixels as level 0 is.
    With r = sqrt(sigma^2 + sigma_data^2) the logits are (sigma_data / r) F(x / r): a picture tells so much of itself.
    So the pull sigma^2 grad_x is bounded however high the noise, and F is not rewarded at high noise for what the
    region's shape tells of the class, which has no gradient in x.

    network: (x (B, C, H, W), level (B,) = log sigma, cond) to the logits (B, classes); blind to `cond.label`.
    sigma_data: standard deviation of the pictures, in units of [-1, 1].
    """

    def __init__(self, network: nn.Module, sigma_data: float) -> None:
        super().__init__()
        self.network, self.sigma_data = network, sigma_data

    def forward(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        every = self.logits(x, sigma, cond).log_softmax(dim=1)
        asked = cond.label.clamp(max=cond.dropped - 1)  # a dropped label has no logit
        return every.gather(1, asked[:, None]).squeeze(1)

    def logits(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        """The classes' logits (B, classes), float32 whatever the network computes in."""
        seen = scaled(x, sigma, cond, EDM(), self.sigma_data)
        answer: Tensor = self.network(seen, sigma.log().to(x.dtype), cond)
        told = self.sigma_data * EDM()(sigma.double(), self.sigma_data).into
        return told.to(x.dtype)[:, None] * answer.to(x.dtype)


class Renumbered(Likelihood):
    """A likelihood that knows the classes under other numbers.

    inner: the likelihood. numbers: what each class of the condition is to it; None: it does not know that class, and
    says nothing.
    """

    def __init__(self, inner: Likelihood, numbers: Sequence[int | None]) -> None:
        self.inner, self.numbers = inner, [*numbers, None]  # the last one is "dropped"

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        known = torch.tensor([number is not None for number in self.numbers], device=x.device)[cond.label]
        theirs = torch.tensor([number or 0 for number in self.numbers], device=x.device)[cond.label]
        return torch.where(known, self.inner(x, sigma, replace(cond, label=theirs)), 0.0)
