"""Memorisation: how many generated defects repeat the picture of a training defect, beside what others give.

    generated    accepted defects against the training defects
    held out     real defects of other parts against the same: none of them is a copy
    training     training defects against those of other parts; CHANCE of them exceed the limit of a copy
    planted      training defects pasted on other pictures, which must be caught: the positive control

A part that a data set holds under two groups' names is told apart (`leaks`): its defects are copies nobody made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from defectgen.quality.copies import Known, Likeness
from defectgen.quality.drawn import Drawn
from defectgen.quality.planted import planted

GENERATED, HELD_OUT, TRAINING = "generated", "held-out real", "training, between parts"
PASTED, BLENDED = "planted, pasted", "planted, blended"
UNKNOWN = 1.0  # limit where no training defect has one of another part to be compared with: nothing exceeds it
CHANCE = 0.05  # share of the training defects that are as alike to one of another part
PLANTED = 40  # training defects drawn by lot that are planted, each in both ways
NORMAL = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class CopyRate:
    """How many of `count` defects are copies; low and high are the 95 % interval of the rate after Wilson (1927).

    It takes the defects for independent: where several come from one donor or part it is somewhat too narrow.
    """

    of: str
    copies: int
    count: int
    rate: float
    low: float
    high: float

    @classmethod
    def counted(cls, of: str, scores: Sequence[float], limit: float) -> "CopyRate":
        """Of likenesses, at least one."""
        count, copies = len(scores), int(np.sum(np.array(scores) > limit))
        rate, square = copies / count, NORMAL**2 / count
        centre = (rate + square / 2) / (1 + square)
        reach = NORMAL * np.sqrt(rate * (1 - rate) / count + square / (4 * count)) / (1 + square)
        return cls(of, copies, count, rate, max(0.0, float(centre - reach)), min(1.0, float(centre + reach)))


@dataclass(frozen=True)
class Pair:
    """A defect by its number in its list and the training defect most like it by its."""

    number: int
    nearest: int
    score: float


@dataclass(frozen=True)
class Memorisation:
    """A likeness above `limit` is a copy. pairs: every generated defect, the most alike first.

    rates: of what there is of GENERATED, HELD_OUT, TRAINING, PASTED, BLENDED. caught: class -> of its planted copies.
    leaks: held-out defects whose part is a training part under another group's name, which `rates` leaves out there.
    """

    limit: float
    rates: list[CopyRate]
    caught: list[CopyRate]
    pairs: list[Pair]
    leaks: list[Pair]

    def figures(self) -> dict[str, Any]:
        """All of it but the pairs, as plain builtins."""
        return {
            "limit": self.limit,
            "rates": [asdict(rate) for rate in self.rates],
            "caught": [asdict(rate) for rate in self.caught],
            "most_alike": self.pairs[0].score if self.pairs else None,
            "leaks": len(self.leaks),
        }

    def metrics(self) -> dict[str, float]:
        """For the tracking: name -> rate."""
        named = {rate.of.replace(", ", "_").replace(" ", "_"): rate.rate for rate in self.rates}
        return {f"copies/{name}": rate for name, rate in named.items()}


def memorisation(
    training: Sequence[Drawn], held_out: Sequence[Drawn], generated: Iterable[Drawn], clean: Sequence[Drawn], seed: int
) -> Memorisation:
    """Look for every defect's nearest among the training defects.

    Args:
        training: real training defects; the limit is UNKNOWN where all are of one part.
        held_out: real defects of other parts, perhaps none.
        generated: accepted ones, perhaps none.
        clean: on whose clean squares copies are planted, one or more.
        seed: of the planted copies.
    """
    known = Known(training)
    between = [likeness.score for likeness in known.between_groups() if likeness.number >= 0]
    limit = float(np.quantile(between, 1 - CHANCE, method="higher")) if between else UNKNOWN
    pairs = _ranked(known.nearest(drawn) for drawn in generated)
    others = [known.nearest_of_others(drawn) for drawn in held_out]
    scores = {
        GENERATED: [pair.score for pair in pairs],
        HELD_OUT: [found.score for found, _ in others],
        TRAINING: between,
    }
    labels, planted_scores = _planted(known, training, clean, np.random.default_rng(seed))
    scores |= planted_scores
    both = [*zip(labels * 2, planted_scores[PASTED] + planted_scores[BLENDED], strict=True)]
    caught = [CopyRate.counted(of, [s for label, s in both if label == of], limit) for of in sorted(set(labels))]
    leaks = [Pair(i, same.number, same.score) for i, (_, same) in enumerate(others) if same]
    rates = [CopyRate.counted(of, each, limit) for of, each in scores.items() if each]
    return Memorisation(limit, rates, caught, pairs, sorted(leaks, key=lambda pair: -pair.score))


def _ranked(nearest: Iterable[Likeness]) -> list[Pair]:
    pairs = [Pair(number, found.number, found.score) for number, found in enumerate(nearest)]
    return sorted(pairs, key=lambda pair: -pair.score)


def _planted(
    known: Known, training: Sequence[Drawn], clean: Sequence[Drawn], rng: np.random.Generator
) -> tuple[list[str], dict[str, list[float]]]:
    """Classes of some training defects drawn by lot, and the likenesses of their copies, planted in each way."""
    chosen = [training[int(number)] for number in rng.permutation(len(training))[:PLANTED]]
    scores: dict[str, list[float]] = {PASTED: [], BLENDED: []}
    for defect in chosen:
        onto = clean[int(rng.integers(len(clean)))].clean
        for way, blended in ((PASTED, False), (BLENDED, True)):
            scores[way].append(known.nearest(planted(defect, onto, blended, rng)).score)
    return [defect.label_name for defect in chosen], scores
