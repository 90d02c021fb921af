"""What our networks share: what they are told, and what they start with from a prior of other classes and colours."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone
from defectgen.nn.embed import LabelEmbedder, LevelEmbedder
from defectgen.nn.layers import Entry, Exit


class Inheriting(Backbone):
    """A network that can start from another of its kind: where pictures enter and leave, and the embedders."""

    channels: int
    entry: Entry
    exit: Exit
    level: LevelEmbedder
    label: LabelEmbedder
    augmentation: LevelEmbedder | None  # of an upsampler

    def embedding(self, level: Tensor, cond: Condition) -> Tensor:
        """What every residual block is told: the level, the label and, of an upsampler, the augmentation."""
        told = self.level(level) + self.label(cond)
        if self.augmentation is not None:
            told = told + self.augmentation(cond.augmentation)
        return functional.silu(told)

    @torch.no_grad()
    def inherit(self, prior: "Inheriting", numbers: Sequence[int]) -> None:
        """Start with the prior's weights; a grey network with a colour prior's too.

        The grey network then answers what the colour one would of the picture repeated in its three channels, averaged
        over them. Class i starts as the prior's class `numbers[i]`.
        """
        weights = prior.state_dict()
        if self.channels < prior.channels:
            weights["entry.weight"] = _grey_entry(weights["entry.weight"], prior.channels, self.entry.patch_size)
            for name in ("exit.2.weight", "exit.2.bias"):
                weights[name] = weights[name].unflatten(0, (prior.channels, -1)).mean(0)
        own = {name: value for name, value in weights.items() if not name.startswith("label.")}
        self.load_state_dict(own | {f"label.{name}": value for name, value in self.label.state_dict().items()})
        self.label.inherit(prior.label, numbers)


def _grey_entry(weight: Tensor, channels: int, patch_size: int) -> Tensor:
    """The first convolution's: what it sees in every colour it now sees once, so its weights are added."""
    planes = weight.unflatten(1, (-1, patch_size**2))  # those of the pictures, one after the other, then the region
    pictures = planes[:, :-1].unflatten(1, (-1, channels)).sum(dim=2)
    return torch.cat([pictures, planes[:, -1:]], dim=1).flatten(1, 2)
