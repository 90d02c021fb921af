"""Copied: a drawn defect must not repeat the picture of a training defect, whatever shape it has."""

import numpy as np

from defectgen.quality.copies import Known
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Evidence, Gate
from defectgen.quality.gates.weights import Scores


class Copied(Gate):
    """At most as alike to a training defect, of any class, as nearly all training defects are to those of other parts.

    A defect too small or too plain to be told from another is not rejected: nobody could call it a copy. Nor is any
    where no training defect has one of another part to be compared with.
    """

    reason = "copied"
    detailed = True

    def prepare(self, evidence: Evidence) -> None:
        self.known = Known(evidence.training)
        self.between = [self.known.nearest_of_others(real)[0] for real in evidence.real]

    def score(self, drawn: Drawn) -> float:
        """Minus the likeness to the nearest, in [-1, 1]."""
        return -self.known.nearest(drawn).score

    def reference(self, evidence: Evidence) -> Scores:
        return np.array([-likeness.score if likeness.number >= 0 else np.nan for likeness in self.between])
