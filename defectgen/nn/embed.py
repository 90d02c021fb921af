"""Embedders: what turns the noise level and each droppable part of a condition into one vector per picture."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.nn.layers import fourier_features
from defectgen.spec import DataSpec

ANY_DEFECT = 1  # the prior's class of a defect that nothing more is said of


class LevelEmbedder(nn.Module):
    """The noise level: Fourier features of log sigma, then two linear layers."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.features = features
        self.layers = nn.Sequential(nn.Linear(features, size), nn.SiLU(), nn.Linear(size, size))

    def forward(self, level: Tensor) -> Tensor:
        """level (B,) = log sigma to (B, size)."""
        return self.layers(fourier_features(level, self.features))


class LabelEmbedder(nn.Module):
    """The class number, with one more entry for "dropped"."""

    def __init__(self, spec: DataSpec, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(len(spec.classes) + 1, size)

    def forward(self, cond: Condition) -> Tensor:
        """(B, size), to be added to the level's."""
        return self.table(cond.label)

    @torch.no_grad()
    def inherit(self, prior: "LabelEmbedder", numbers: Sequence[int]) -> None:
        """Start as the prior's: class i as its class `numbers[i]`, "dropped" as "dropped"."""
        self.table.weight[:] = prior.table.weight[[*numbers, -1]]
