"""What our networks share: what they are told, and what they start with from a prior of other classes and colours."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone
from defectgen.nn.embed import Embedder, LevelEmbedder, Told
from defectgen.nn.layers import Entry, Exit
from defectgen.nn.term import Term


class Inheriting(Backbone):
    """A network that can start from another of its kind: where pictures enter and leave, and the embedders."""

    channels: int
    entry: Entry
    exit: Exit
    level: LevelEmbedder
    term: Term
    told: Embedder
    augmentation: LevelEmbedder | None  # of an upsampler

    def embedding(self, level: Tensor, cond: Condition) -> Told:
        """What the blocks are told: the level, what is to be drawn and, of an upsampler, the augmentation."""
        told = self.told(cond)
        vector = self.level(level) + told.vector
        if self.augmentation is not None:
            vector = vector + self.augmentation(cond.augmentation)
        return told._replace(vector=functional.silu(vector))

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
        own = self.state_dict()  # where the prior read no tokens or others, what listens to them starts by itself
        self.load_state_dict(own | {name: weights[name] for name in weights if not name.startswith("told.")})
        self.told.inherit(prior.told, numbers)


def _grey_entry(weight: Tensor, channels: int, patch_size: int) -> Tensor:
    """The first convolution's: what it sees in every colour it now sees once, so its weights are added."""
    planes = weight.unflatten(1, (-1, patch_size**2))  # those of the pictures, one after the other, then the region
    pictures = planes[:, :-1].unflatten(1, (-1, channels)).sum(dim=2)
    return torch.cat([pictures, planes[:, -1:]], dim=1).flatten(1, 2)
