"""Seam: nobody may find where something was blended in.

Along the support's edge, in bands of depth (see quality/seam.py) one native pixel wide and one at 64 px:

    jump     slope across the edge less that farther on either side, in units of the roughness there: a step shows on
             a plain ground and hides in a thread. Of all directions the median (the same all round), the mean of what
             each is worth at most (the same round much of it), the log of the mean size (bright here, dark there)
    grain    roughness inside the edge over that far outside, log
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Pixels, to_float
from defectgen.imaging.label import SMALL
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import REJECTED, Bound, Evidence, Gate
from defectgen.quality.gates.weights import MAD, Scores, Usual
from defectgen.quality.seam import RIM, SECTORS, about, depth_of, feature_names, seam_features, sectors_of
from defectgen.quality.texture import STEP

LEAST = 0.5  # grey levels of slope that any ground counts as rough: rounding noise
ANY = ""  # class: an edge is one in every class
FEWEST = 3  # pixels of a band in a direction whose median says something
GRAIN = ("grain at -1 to 0 native px", "grain at -1 to 0 px at 64", "grain at -2 to -1 px at 64")
_GRAIN = [feature_names().index(name) for name in GRAIN]

Plane = NDArray[np.float32]


class Seam(Gate):
    """The edge of what was blended in must not show: its score is how near its figures are to those of no edge.

    Those are of the same supports on untouched clean surface, from which the limit follows too.
    """

    reason = "seam"
    detailed = True

    def prepare(self, evidence: Evidence) -> None:
        figures = np.array([_untouched(control) for control in evidence.good]).reshape(len(evidence.good), -1)
        self.usual = Usual(figures, [ANY] * len(figures), [control.group for control in evidence.good])

    def score(self, drawn: Drawn) -> float:
        """0 at best, in robust standard deviations."""
        return self.usual.likeness(_figures(drawn.result, drawn), ANY)

    def bounds(self, evidence: Evidence, scores: Scores) -> list[Bound]:
        return [Bound(np.nan_to_num(self.usual.likenesses(), nan=-np.inf), evidence.good, REJECTED)]


def _untouched(control: Drawn) -> NDArray[np.float64]:
    return _figures(control.clean, control)


def _figures(pixels: Pixels, drawn: Drawn) -> NDArray[np.float64]:
    """Of the support's edge in (S, S[, 3]), means over the channels, (9,); all 0 where there is none.

    Within the box of the legal region: beside the picture, where nothing is drawn, what is drawn seems to break off.
    """
    unit = max(1.0, drawn.side / SMALL)
    picture = about(drawn.legal, 0) if drawn.legal.any() else (slice(None), slice(None))
    pixels, support = pixels[picture], drawn.support[picture]
    if support.all() or not support.any() or min(support.shape) == 1:
        return np.zeros(6 + len(_GRAIN))
    box = about(support, int(np.ceil(3 * unit)) + 2)
    depth, sector = depth_of(support[box]), sectors_of(support[box])
    planes = to_float(pixels[box]) / np.float32(STEP)
    planes[:, depth < -RIM * unit] = np.nan
    jumps = [[*_jump(plane, depth, sector, 1.0), *_jump(plane, depth, sector, unit)] for plane in planes]
    return np.concatenate([np.mean(jumps, axis=0), seam_features(pixels, support, unit)[_GRAIN]])


def _jump(plane: Plane, depth: Plane, sector: NDArray[np.int64], width: float) -> tuple[float, float, float]:
    """What the jumps in all directions say together, in bands `width` native pixels wide."""
    jumps = np.array([*_jumps(plane, depth, sector, width)] or [0.0])
    return float(np.median(jumps)), 2 * float(np.tanh(jumps).mean()), float(np.log(np.abs(jumps).mean() + 0.1))


def _jumps(plane: Plane, depth: Plane, sector: NDArray[np.int64], width: float) -> Iterator[float]:
    """The jump in each direction that has an edge."""
    slope, outward = np.gradient(plane), np.gradient(depth)
    steep = np.hypot(*outward) + 1e-6
    across = (slope[0] * outward[0] + slope[1] * outward[1]) / steep
    along = np.abs(slope[0] * outward[1] - slope[1] * outward[0]) / steep
    known, distance = np.isfinite(across), np.abs(depth)
    edge, beside = known & (distance < width), known & (distance >= width) & (distance < 2 * width + 0.5)
    for number in range(SECTORS):
        here, there = edge & (sector == number), beside & (sector == number)
        if min(here.sum(), there.sum()) >= FEWEST:
            rough = MAD * np.median(along[here | there]) + LEAST
            yield float((np.median(across[here]) - np.median(across[there])) / rough)
