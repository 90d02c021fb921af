"""The label is what changed: from the clean and the drawn picture to the mask a detector is taught.

Repainting a surface as good changes it too: it comes out smoother, its edges a little beside their place. So what was
drawn is compared with the clean surface and with that same place repainted as good, and only what differs from both
has changed. It counts in units of the surface's own structure; by how much good repaints differ from each other is the
noise. It is looked at over two widths, so that neither a crack nor a wide faint stain is lost. What is certain at the
fine one counts no more at the wide one than what is just visible: wide smoothing would let a crack swell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defectgen.imaging.files import Mask, Pixels, to_float

SMALL = 64  # the resolution changes are drawn at
WIDTHS = (0.6, 2.4)  # pixels at that resolution by which a change is smoothed, each on top of the one before
SHIFT = 1.0  # pixels at that resolution over which the surface's structure is taken
FLAT = 0.03  # in [-1, 1], what a surface without any structure may change by
SPECK = 6  # pixels at that resolution under which a component is noise
COMMON = 0.9  # quantile of the change within a good repaint
GREY_LEVEL = 2 / 255 / FLAT  # of 8 bits, the strength of its change on a flat surface

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """How strongly repainting a clean surface as good changes it, by width of WIDTHS; see `strengths`.

    low: above it a pixel belongs to a change that is certain elsewhere. high: above it a change is certain.
    """

    low: list[float]
    high: list[float]

    @classmethod
    def measure(cls, repaints: Sequence[tuple[Sequence[Pixels], Pixels, Mask]]) -> "Noise":
        """From what squares (S, S[, 3]) were before, the same repainted as good, and the planned shapes (S, S) therein.

        Low is the median over the repaints of what nine pixels of ten in a shape stay under; high of the largest
        change in each: half of them reach it nowhere. A change of two grey levels on a flat surface is never certain.
        """
        noise = cls([], [])
        for _ in WIDTHS:
            changes = [strengths(before, drawn, noise)[-1][shape] for before, drawn, shape in repaints]
            low = max(GREY_LEVEL, float(np.median([np.quantile(change, COMMON) for change in changes])))
            high = max(2 * GREY_LEVEL, float(np.median([change.max() for change in changes])))
            noise = cls([*noise.low, low], [*noise.high, high])
        return noise


def strengths(before: Sequence[Pixels], drawn: Pixels, noise: Noise) -> list[Planes]:
    """How strongly each pixel of a square changed: (S, S) for each width the noise knows and one more.

    before, drawn: (S, S[, 3]); of several squares before, the strength is that from the most alike, pixel by pixel.
    Units: a change that shows on a flat surface if it reaches FLAT, and on a structured one if it exceeds what a shift
    by about SHIFT would do.
    """
    each = [_strengths(clean, drawn, noise) for clean in before]
    return [np.min(planes, axis=0) for planes in zip(*each, strict=True)]


def _strengths(clean: Pixels, drawn: Pixels, noise: Noise) -> list[Planes]:
    scale = clean.shape[0] / SMALL
    change = (to_float(drawn) - to_float(clean)) / (FLAT + _structure(clean))
    found: list[Planes] = []
    for width, low in zip(WIDTHS, [*noise.low, np.inf], strict=False):
        change = _smooth(change, width * scale)
        found.append(np.sqrt(np.mean(np.square(change), axis=0)))
        change = change * np.minimum(1, low / np.maximum(found[-1], 1e-9))
    return found


def changed(before: Sequence[Pixels], drawn: Pixels, support: Mask, noise: Noise) -> Mask:
    """The mask of what changed inside the support: what exceeds low at a width and is joined to what exceeds high.

    Components smaller than a speck are dropped. Squares (S, S[, 3]), support and mask (S, S).
    """
    possible, certain = np.zeros_like(support), np.zeros_like(support)
    for strength, low, high in zip(strengths(before, drawn, noise), noise.low, noise.high, strict=True):
        possible |= strength > low
        certain |= strength > high
    numbered, count = ndimage.label(possible & support, np.ones((3, 3)))
    areas = np.bincount(numbered.ravel(), minlength=count + 1)
    seeds = np.bincount(numbered[certain], minlength=count + 1)
    kept = (areas >= SPECK * (len(drawn) / SMALL) ** 2) & (seeds > 0)
    kept[0] = False
    return kept[numbered]


def visibility(before: Sequence[Pixels], drawn: Pixels, noise: Noise) -> Planes:
    """How clearly each pixel of a square (S, S) changed, at its clearest width: 1 for the low threshold."""
    found = strengths(before, drawn, noise)
    return np.max([strength / low for strength, low in zip(found, noise.low, strict=True)], axis=0)


def _structure(clean: Pixels) -> Planes:
    """The local standard deviation (S, S) of a square in [-1, 1], about what a shift by SHIFT changes."""
    scale = clean.shape[0] / SMALL
    smooth = _smooth(to_float(clean), WIDTHS[0] * scale)
    variance = _smooth(np.square(smooth), SHIFT * scale) - np.square(_smooth(smooth, SHIFT * scale))
    return np.sqrt(np.maximum(variance, 0).mean(axis=0))


def _smooth(planes: Planes, width: float) -> Planes:
    """Gaussian of `width` pixels; a wide one at a lower resolution, where it is quicker."""
    side, step = planes.shape[1], max(1, int(width / 2))
    small = (round(side / step),) * 2
    shrunk = [cv2.resize(plane, small, interpolation=cv2.INTER_AREA) for plane in planes]
    smooth = [cv2.GaussianBlur(plane, (0, 0), width * small[0] / side) for plane in shrunk]
    return np.stack([cv2.resize(plane, (side, side), interpolation=cv2.INTER_LINEAR) for plane in smooth])
