"""Filled: nothing that was planned may be missing."""

import numpy as np
from scipy import ndimage

from defectgen.imaging.files import Mask
from defectgen.imaging.label import SMALL, SPECK
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Bound, Evidence, Gate
from defectgen.quality.gates.weights import Scores

CAUGHT = 0.975  # share of the good repaints, where nothing was drawn, that it must reject


class Filled(Gate):
    """Every component of the planned shape must show a defect: the score is how clearly the worst one changed, as a
    root mean square over its pixels. A share of changed pixels would ask a torn thread, of which much looks like whole
    thread, for what only a scratch shows.

    A component smaller than a speck is not judged by itself, as the label drops such; where all are, they are judged
    together. The limit is above what nearly all good repaints reach.
    """

    reason = "filled"

    def score(self, drawn: Drawn) -> float:
        """1 for what is just a change."""
        speck = SPECK * (drawn.side / SMALL) ** 2
        return min(float(np.sqrt(np.mean(np.square(drawn.visible[part])))) for part in _parts(drawn.shape, speck))

    def bounds(self, evidence: Evidence, scores: Scores) -> list[Bound]:
        nothing = np.array([self.score(control) for control in evidence.good])
        return [*super().bounds(evidence, scores), Bound(np.nextafter(nothing, np.inf), evidence.good, CAUGHT)]


def _parts(shape: Mask, least: float) -> list[Mask]:
    """The components of at least so many pixels; without one, all of the shape."""
    numbered, count = ndimage.label(shape, np.ones((3, 3)))
    areas = np.bincount(numbered.ravel(), minlength=count + 1)
    big = [number for number in range(1, count + 1) if areas[number] >= least]
    return [numbered == number for number in big] or [shape]
