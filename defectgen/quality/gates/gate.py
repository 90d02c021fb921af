"""What a drawn defect must satisfy to be accepted: the form of every gate, and how its limits follow from evidence.

A gate scores a defect, higher is better; real training defects are scored by the same rule. A class's limit is a low
quantile of theirs, so that a drawn defect is asked for no more than nearly every real one gives.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.weights import Scores, Usual, quantile, weights
from defectgen.spec import DataSpec

REJECTED = 0.02  # share of the real defects that a gate may reject: all gates together then reject about a tenth


class CrossFitted(Protocol):
    """Critics of which one has not seen the group in question."""

    @property
    def spec(self) -> DataSpec:
        """What they were trained on."""

    def predict(self, patches: NDArray[np.float32], groups: Sequence[str]) -> NDArray[np.float32]:
        """Probability of each class, (N, classes): of patches (N, C, S, S) by those that have not seen their groups."""


@dataclass(frozen=True)
class Evidence:
    """What gates are calibrated on: training defects, controls repainted as good, and a critic of their classes.

    real: as many of them as were healed. training: all of them as they are.
    """

    real: Sequence[Drawn]
    good: Sequence[Drawn]
    training: Sequence[Drawn]
    critic: CrossFitted


@dataclass(frozen=True)
class Bound:
    """At least the score that `share` of these scores (N,) do not exceed; a class counts its own (N,) most."""

    scores: Scores
    cases: Sequence[Drawn]
    share: float

    def limit(self, label: str, without: str | None = None) -> float:
        """Of a class, the group `without` counting as never seen; -inf where no other is known."""
        seen = np.array([case.group != without for case in self.cases], bool)
        if not seen.any():
            return -np.inf
        weight = weights([case.label_name for case in self.cases], label)
        return float(quantile(self.scores[seen], self.share, weight[seen]))


class Gate(ABC):
    """Scores a defect, higher is better; one below the limit of its class is rejected for this `reason`.

    limit: the same for every class; without one, calibrated for each.
    detailed: it looks at detail, which a large defect that was drawn at 64 px only does not yet have.
    """

    reason: str
    detailed: bool = False

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit

    def prepare(self, evidence: Evidence) -> None:  # noqa: B027 - most gates need nothing
        """Take from the evidence what the scores depend on; the same evidence gives the same scores."""

    @abstractmethod
    def score(self, drawn: Drawn) -> float:
        """Any number, never nan."""

    def reference(self, evidence: Evidence) -> Scores:
        """Scores of the real defects (N,), each as if its own group had never been seen; nan where none can be told."""
        return np.array([self.score(real) for real in evidence.real])

    def bounds(self, evidence: Evidence, scores: Scores) -> list[Bound]:
        """What a class's limit must reach, all of it: what nearly all real defects do, by their `reference` scores."""
        told = ~np.isnan(scores)
        cases = [case for case, is_told in zip(evidence.real, told, strict=True) if is_told]
        return [Bound(scores[told], cases, REJECTED)]


def usual(figures: Callable[[Drawn], NDArray[np.float64]], cases: Sequence[Drawn]) -> Usual:
    """What some figures (F,) of a defect usually are."""
    labels, groups = [case.label_name for case in cases], [case.group for case in cases]
    return Usual(np.array([figures(case) for case in cases]), labels, groups)
