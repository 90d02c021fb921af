"""NoisyClassifier: tells the class of what is drawn into a region, however noisy it is."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from defectgen.condition import Condition
from defectgen.nn.embed import LevelEmbedder
from defectgen.nn.layers import Downsample, Entry, ResidualBlock, SelfAttention, norm, zeroed
from defectgen.spec import DataSpec


class NoisyClassifier(nn.Module):
    """The way down of the `UNet`, attention where the map is smallest, then the mean over the region.

    So Dhariwal & Nichol 2021, sec. 4, take half a UNet; over the region alone, because only there is the picture noisy
    and drawn. It is told the context and the level, never the label.

    Args:
        spec: channels and classes of the data.
        width: channels at the first resolution.
        multipliers: channels of each resolution over `width`; every next one is half the size.
        patch_size: the picture's side over that of the first resolution.
    """

    def __init__(
        self, spec: DataSpec, width: int = 32, multipliers: tuple[int, ...] = (1, 2, 3), patch_size: int = 2
    ) -> None:
        super().__init__()
        self.width, self.multipliers, self.patch_size = width, multipliers, patch_size
        size = 4 * width
        self.level = LevelEmbedder(width, size)
        self.entry = Entry(spec.channels + spec.context + 1, width, patch_size)
        channels = [width, *(width * multiplier for multiplier in multipliers)]
        self.blocks = nn.ModuleList(ResidualBlock(*pair, size) for pair in pairwise(channels))
        self.halves = nn.ModuleList([nn.Identity(), *(Downsample(each, each) for each in channels[1:-1])])
        self.last = nn.Sequential(SelfAttention(channels[-1]), norm(channels[-1]), nn.SiLU())
        self.logits = zeroed(nn.Linear(channels[-1], len(spec.classes)))

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        """x (B, C, S, S), about unit variance, and level (B,) = log sigma to the logits (B, classes).

        `cond.region` is never empty.
        """
        embedding = functional.silu(self.level(level))
        hidden = self.entry(torch.cat([x, cond.context, cond.region], dim=1))
        for halve, block in zip(self.halves, self.blocks, strict=True):
            hidden = block(halve(hidden), embedding)
        logits: Tensor = self.logits(_mean(self.last(hidden), cond.region))
        return logits


def _mean(features: Tensor, region: Tensor) -> Tensor:
    """Mean of features (B, F, h, w) over the region (B, 1, S, S), by how much of each place it covers: (B, F)."""
    covered = functional.interpolate(region, size=features.shape[-2:], mode="area")
    return (features * covered).sum(dim=(2, 3)) / covered.sum(dim=(2, 3))
