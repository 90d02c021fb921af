"""Embedders: what turns the noise level and each droppable part of a condition into what a network is told."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

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


class Told(NamedTuple):
    """What a network is told of a batch besides its context.

    vector (B, size), to be added to the level's; tokens (B, T, size), to be read by cross-attention, and heard (B, T)
    bool, which of them are said; None of an embedder without tokens.
    """

    vector: Tensor
    tokens: Tensor | None = None
    heard: Tensor | None = None


class Embedder(nn.Module, ABC):
    """What a network is told of the defect it is to draw: one droppable part of a condition.

    reads: whether it gives tokens.
    table: what `entries` are rows of.
    """

    reads = False
    table: nn.Embedding

    @abstractmethod
    def forward(self, cond: Condition) -> Told:
        """Vector and tokens of a batch."""

    @abstractmethod
    def begin(self, untold: Tensor) -> None:
        """Give every picture the vector `untold` (size,), whatever is told of it."""

    def inherit(self, prior: "Embedder", numbers: Sequence[int]) -> None:
        """Start as the prior's of the same kind; of one that knew labels, as though nothing were told."""
        if isinstance(prior, LabelEmbedder):
            self.begin(prior.table.weight[-1])
        else:
            self.load_state_dict(prior.state_dict())

    def entries(self, number: int, name: str) -> list[int]:
        """The rows of its table that it reads for this class and not for every class; empty where there are none."""
        return []


class NothingEmbedder(Embedder):
    """Nothing is told: one vector for all."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(size))

    def forward(self, cond: Condition) -> Told:
        return Told(self.vector.expand(len(cond.label), -1))

    @torch.no_grad()
    def begin(self, untold: Tensor) -> None:
        self.vector.copy_(untold)


class LabelEmbedder(Embedder):
    """The class number, with one more entry for "dropped"."""

    def __init__(self, spec: DataSpec, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(len(spec.classes) + 1, size)

    def forward(self, cond: Condition) -> Told:
        return Told(self.table(cond.label))

    @torch.no_grad()
    def begin(self, untold: Tensor) -> None:
        self.table.weight[:] = untold

    @torch.no_grad()
    def inherit(self, prior: Embedder, numbers: Sequence[int]) -> None:
        """Class i starts as the prior's class `numbers[i]`, "dropped" as "dropped"."""
        assert isinstance(prior, LabelEmbedder), "learn/prior.py refuses others"
        self.table.weight[:] = prior.table.weight[[*numbers, -1]]

    def entries(self, number: int, name: str) -> list[int]:
        return [number]
