"""Gates: what a drawn defect must satisfy to be accepted."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.region import grow


@dataclass(frozen=True)
class Drawn:
    """One attempt at native size (S, S): the planned shape, the label of what changed, before and after."""

    clean: Pixels
    result: Pixels
    shape: Mask
    label: Mask


class Gate(ABC):
    """Scores an attempt; the score is stored, the limit decides. `reason` is what a rejected row is given."""

    reason: str

    @abstractmethod
    def score(self, drawn: Drawn) -> float:
        """A number in [0, 1]."""

    @abstractmethod
    def passes(self, score: float) -> bool:
        """Whether the attempt may be used."""


class Filled(Gate):
    """The planned shape must show a defect: the label covers at least `least` of it."""

    reason = "filled"

    def __init__(self, least: float = 0.3) -> None:
        self.least = least

    def score(self, drawn: Drawn) -> float:
        return float((drawn.label & drawn.shape).sum() / max(1, drawn.shape.sum()))

    def passes(self, score: float) -> bool:
        return score >= self.least


class Spilled(Gate):
    """The defect must stay where it was planned: at most `most` of the label lies beside the shape.

    A pixel at 64 px about the shape still counts as the shape.
    """

    reason = "spilled"

    def __init__(self, most: float = 0.3) -> None:
        self.most = most

    def score(self, drawn: Drawn) -> float:
        beside = drawn.label & ~grow(drawn.shape, drawn.shape.shape[0] / 64)
        return float(beside.sum() / max(1, drawn.label.sum()))

    def passes(self, score: float) -> bool:
        return score <= self.most
