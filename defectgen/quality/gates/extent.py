"""Extent: as large and as long as real ones."""

import numpy as np
from numpy.typing import NDArray

from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Evidence, Gate, usual
from defectgen.quality.gates.weights import Scores

PIXEL = 1 / 12  # variance of places within a pixel, so that a line one pixel wide has a width


class Extent(Gate):
    """The defect must have the size and aspect of its class: its score is how near they are to the real ones.

    Size is the label's area in native pixels, aspect its length over its width by second moments, both logarithms.
    """

    reason = "extent"

    def prepare(self, evidence: Evidence) -> None:
        self.usual = usual(_extent, evidence.real)

    def score(self, drawn: Drawn) -> float:
        """0 at best, in robust standard deviations."""
        return self.usual.likeness(_extent(drawn), drawn.label_name)

    def reference(self, evidence: Evidence) -> Scores:
        return self.usual.likenesses()


def _extent(drawn: Drawn) -> NDArray[np.float64]:
    """Logarithms of area and aspect of the label, (2,); of one that is empty, as of a hundredth of a pixel."""
    places = np.argwhere(drawn.label)
    if not len(places):
        return np.array([np.log(0.01), 0.0])
    moments = np.linalg.eigvalsh(np.cov(places.T, ddof=0) + PIXEL * np.eye(2))
    return np.array([np.log(len(places)), np.log(moments[1] / moments[0]) / 2])
