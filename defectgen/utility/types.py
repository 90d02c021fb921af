"""What the parts of the study hand to each other: pictures as detectors see them, and what detectors said of them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 255  # in `Picture.classes`: a defect, of no class one could name


@dataclass(frozen=True)
class Picture:
    """One whole picture at the detectors' size S.

    pixels: (C, S, S) in [-1, 1].
    classes: (S, S) uint8, the class number of each pixel, 0 = good, UNKNOWN = a defect without a class.
    named: (K,) bool, the classes the picture may be called by: only "good" (number 0), or those of its defects; all
        defect classes where the defect has none.
    patches: class number (or UNKNOWN) and native surroundings (C, P, P) of each defect, as the generator's networks see
        one.
    """

    picture_id: str
    group: str
    pixels: NDArray[np.float32]
    classes: NDArray[np.uint8]
    named: NDArray[np.bool_]
    patches: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return bool(self.named[0])


@dataclass(frozen=True)
class Prediction:
    """What a detector says of N pictures; a detector that does not tell one of the two leaves it None.

    scores: (N, K) float32, the probability of each class for the picture as a whole.
    maps: (N, K, S, S) float32, the probability of each class for each pixel.
    """

    scores: NDArray[np.float32] | None = None
    maps: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Counts:
    """The maps of N pictures reduced to what every pixel figure needs, T thresholds in `THRESHOLDS`.

    positives: (N, K) int64, pixels of each class; total: (N,) int64, pixels.
    hits, calls: (N, K, T) int64, pixels of the class, and any pixels, whose probability is at or above the threshold.
    Class 0 is read as "any defect": its positives are all defect pixels, its probability one minus that of "good".
    """

    positives: NDArray[np.int64]
    total: NDArray[np.int64]
    hits: NDArray[np.int64]
    calls: NDArray[np.int64]


# Evenly spaced in log odds, from 0.0001: a rare class is said with small probabilities.
THRESHOLDS = np.concatenate([[0], 1 / (1 + np.exp(-np.linspace(-9.2, 9.2, 63)))]).astype(np.float32)


@dataclass(frozen=True)
class Reading:
    """What one detector of one (arm, seed) said of the N pictures of one split, without the pictures.

    groups: N names, the units of resampling. truth: (N, K) bool, the picture's classes (`Picture.named`).
    """

    picture_ids: list[str]
    groups: list[str]
    truth: NDArray[np.bool_]
    scores: NDArray[np.float32] | None
    counts: Counts | None
