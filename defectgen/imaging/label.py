"""The label is what changed: from the clean and the drawn picture to the mask a detector is taught."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold

from defectgen.imaging.files import Mask, Pixels, to_float

SMALL = 64  # the resolution changes are drawn at
SPECK = 6  # pixels at that resolution under which a component is noise


@dataclass(frozen=True)
class Noise:
    """How much repainting a clean surface as good changes it, in units of [-1, 1].

    low: above it a pixel belongs to a change that is certain elsewhere; high: above it a change is certain.
    """

    low: float
    high: float

    @classmethod
    def measure(cls, changes: list[NDArray[np.float32]]) -> "Noise":
        """From the change strengths in the planned shapes of good repaints: their upper quartile and 90th percentile.

        The median over the repaints, because some regions hide so much that any repaint of them differs a lot. Higher
        percentiles measure structure redrawn elsewhere (a thread, an edge), not noise.
        """
        low, high = np.median([np.quantile(change, [0.75, 0.9]) for change in changes], axis=0)
        step = 2 / 255  # a change of one grey level is never a defect
        return cls(max(float(low), 2 * step), max(float(high), 3 * step))


def strength(clean: Pixels, drawn: Pixels) -> NDArray[np.float32]:
    """How strongly each pixel of a square (S, S[, 3]) changed: (S, S), smoothed over about a pixel at 64 px."""
    width = max(0.6, 0.6 * clean.shape[0] / SMALL)
    smooth = [cv2.GaussianBlur(plane, (0, 0), width) for plane in to_float(drawn) - to_float(clean)]
    return np.sqrt(np.mean(np.square(smooth), axis=0))


def changed(clean: Pixels, drawn: Pixels, support: Mask, noise: Noise) -> Mask:
    """The mask of what changed inside the support, by hysteresis; components smaller than a speck are dropped."""
    mask = apply_hysteresis_threshold(strength(clean, drawn), noise.low, noise.high) & support
    numbered, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(numbered.ravel(), minlength=count + 1)
    big = areas >= SPECK * (clean.shape[0] / SMALL) ** 2
    big[0] = False
    return big[numbered]
