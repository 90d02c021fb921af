"""Condition: everything a denoiser is told besides the noisy picture and its noise level."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """What a batch of pictures is conditioned on.

    context (B, K, H, W): the surroundings an inpainter continues, the low-resolution picture of an upsampler. Never
        dropped: without it the task is another one.
    region (B, 1, H, W): 1 = to be synthesised; outside it pictures are clean at every noise level. Never dropped.
    label (B,) int64: class number; `dropped` stands for "not told".
    dropped: the number that means so, one past the last class.
    text: a caption of each picture; "" stands for "not told". Empty where there are none.
    reference (B, C + 1, H, W): an example of what is to be drawn, a picture in [-1, 1] and beside it the mask of its
        defect; zeros stand for "not told". None where there is none.
    augmentation (B,) float32: log of the noise level that the low-resolution picture in the context was given, finite;
        None where there is no such picture. Never dropped (conditioning augmentation, Ho et al. 2022, CDM, sec. 4.2).
    """

    context: Tensor
    region: Tensor
    label: Tensor
    dropped: int
    augmentation: Tensor | None = None
    text: tuple[str, ...] = ()
    reference: Tensor | None = None

    def unconditional(self) -> "Condition":
        """The same context with everything droppable dropped (Ho & Salimans 2022)."""
        return replace(
            self,
            label=torch.full_like(self.label, self.dropped),
            text=("",) * len(self.text),
            reference=None if self.reference is None else torch.zeros_like(self.reference),
        )

    def doubled(self) -> "Condition":
        """Conditional and unconditional halves stacked in one batch, so that both cost one network call."""
        other = self.unconditional()
        return replace(
            self,
            context=torch.cat([self.context, other.context]),
            region=torch.cat([self.region, other.region]),
            label=torch.cat([self.label, other.label]),
            augmentation=None if self.augmentation is None else self.augmentation.repeat(2),
            text=self.text + other.text,
            reference=_stacked(self.reference, other.reference),
        )


def _stacked(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return None if first is None or second is None else torch.cat([first, second])
