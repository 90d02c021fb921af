"""Contrast: as conspicuous as real ones, neither a ghost nor a blot."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace

from defectgen.imaging.files import Mask, to_float
from defectgen.imaging.label import SMALL
from defectgen.imaging.region import grow
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Evidence, Gate, usual
from defectgen.quality.gates.weights import Scores
from defectgen.quality.texture import STEP

RING = 6.0  # width in pixels at 64 px of the surroundings that a defect is held against
LEAST = 0.5  # grey levels of 8 bits that are added to every difference: their rounding noise


class Contrast(Gate):
    """The defect must stand out as its class does: its score is how near its contrast is to that of the real ones.

    Contrast is what the label has over a ring of untouched surroundings, both logarithms: of the distance from the
    ring's brightness, and of local roughness.
    """

    reason = "contrast"
    detailed = True

    def prepare(self, evidence: Evidence) -> None:
        self.usual = usual(_contrast, evidence.real)

    def score(self, drawn: Drawn) -> float:
        """0 at best, in robust standard deviations."""
        return self.usual.likeness(_contrast(drawn), drawn.label_name)

    def reference(self, evidence: Evidence) -> Scores:
        return self.usual.likenesses()


def _contrast(drawn: Drawn) -> NDArray[np.float64]:
    """Of brightness and of roughness, (2,)."""
    inside, ring = _places(drawn)
    planes = to_float(drawn.result) / np.float32(STEP)
    distance = np.mean([np.abs(plane - np.median(plane[ring])) for plane in planes], axis=0)
    rough = np.mean([np.abs(laplace(cv2.GaussianBlur(plane, (0, 0), 0.7))) for plane in planes], axis=0)
    return np.array([_ratio(each, inside, ring) for each in (distance, rough)])


def _places(drawn: Drawn) -> tuple[Mask, Mask]:
    """The defect and its surroundings: a ring about the support, where that leaves no room all beside the defect."""
    inside = drawn.label if drawn.label.any() else drawn.shape
    ring = grow(drawn.support, RING * drawn.side / SMALL) & ~drawn.support
    return inside, ring if ring.any() else ~inside


def _ratio(figure: NDArray[np.float32], inside: Mask, ring: Mask) -> float:
    return float(np.log((figure[inside].mean() + LEAST) / (figure[ring].mean() + LEAST)))
