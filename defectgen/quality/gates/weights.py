"""Few samples: what a class has too few of is borrowed from the others, and a defect never speaks for its own group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]  # (N,)

BORROWED = 10.0  # defects of its own that those of all other classes together are worth to a class
MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
LEAST = 0.05  # a spread is never taken for smaller: of logarithms 5 %, of grey levels a twentieth


def weights(labels: Sequence[str], label: str) -> Scores:
    """What each defect (N,) counts for a class: its own 1; the others together BORROWED, none of them more than 1."""
    own = np.array([each == label for each in labels])
    return np.where(own, 1.0, min(1.0, BORROWED / max(1, (~own).sum())))


def quantile(scores: NDArray[np.float64], share: float, weight: Scores) -> NDArray[np.float64]:
    """The smallest of (N[, F]) that at least `share` of the weight (N,) does not exceed, [(F,)]; N > 0."""
    return np.quantile(scores, share, axis=0, weights=weight, method="inverted_cdf")


@dataclass(frozen=True)
class Usual:
    """What some figures of defects usually are.

    figures (N, F): those of known defects; labels, groups (N,): their classes and parts.
    """

    figures: NDArray[np.float64]
    labels: Sequence[str]
    groups: Sequence[str]

    def likeness(self, figures: NDArray[np.float64], label: str, without: str | None = None) -> float:
        """Minus the largest deviation of (F,) from a class's medians, in robust standard deviations; 0 at best.

        Only the spread is borrowed from other classes, about their own medians: one odd class must not move another.
        without: a group that is to count as never seen. Of a class that nobody knows 0: nothing speaks against it; nan
        where only `without` was known of it.
        """
        seen = np.array([group != without for group in self.groups], bool)
        known, labels = self.figures[seen], np.array(self.labels, object)[seen]
        if label not in labels:
            return 0.0 if without is None else np.nan
        middles = {each: np.median(known[labels == each], axis=0) for each in set(labels)}
        apart = np.abs(known - np.stack([middles[each] for each in labels]))
        spread = MAD * quantile(apart, 0.5, weights(list(labels), label))
        return -float((np.abs(figures - middles[label]) / np.maximum(spread, LEAST)).max())

    def likenesses(self) -> Scores:
        """Of each known defect, as if its group had never been seen, (N,); nan where no other of its class is known."""
        known = zip(self.figures, self.labels, self.groups, strict=True)
        return np.array([self.likeness(figures, label, group) for figures, label, group in known])
