"""What the detectors' networks are trained by: each picture, cell or pixel should be called by one of its names."""

import torch
from torch import Tensor
from torch.nn import functional

from defectgen.utility.types import UNKNOWN


def named_loss(logits: Tensor, named: Tensor) -> Tensor:
    """Minus the logarithm of the probability of being called by one of its names: (B, K, ...) each, to (B, ...).

    named: bool, at least one in each place. With one name that is the cross entropy; a defect without a class teaches
    that it is some defect.
    """
    return logits.logsumexp(dim=1) - logits.masked_fill(~named, -torch.inf).logsumexp(dim=1)


def names_of_places(classes: Tensor, count: int, side: int) -> Tensor:
    """The names of each cell of a grid: those of the defects it shows anything of, else "good".

    classes: (B, S, S) int64, UNKNOWN where a defect has no class; count: K; side: of the grid, a divisor of S.
    Returns (B, K, side, side) bool.
    """
    numbers = torch.arange(count, device=classes.device)[:, None, None]
    shown = (classes[:, None] == numbers) | ((classes[:, None] == UNKNOWN) & (numbers > 0))
    named = functional.max_pool2d(shown.float(), classes.shape[-1] // side) > 0
    named[:, 0] = ~named[:, 1:].any(dim=1)
    return named


def balanced(losses: Tensor, defect: Tensor) -> Tensor:
    """Half the mean over the good places, half that over the defects, each mean taken picture by picture first.

    losses, defect: (B, h, w). A defect is a hundredth of its picture: among all places it would not count, and among
    all defect places of a batch the widest defect would be most of them.
    """
    return (_mean_within(losses, ~defect) + _mean_within(losses, defect)) / 2


def _mean_within(losses: Tensor, mask: Tensor) -> Tensor:
    """The mean over the masked places of each picture that has any, then over those pictures; 0 if none has."""
    area = mask.sum(dim=(1, 2))
    means = (losses * mask).sum(dim=(1, 2)) / area.clamp(min=1)
    return means.sum() / (area > 0).sum().clamp(min=1)
