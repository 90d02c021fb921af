"""Bringing a drawn defect into a native picture so that nobody can find where.

    result = clean + enlarged(sum over bands i of  weight_i * band_i(change + u)),    change = drawn - seen

`seen` is the clean square as the network was shown it, `drawn` what it made of that. u, the smooth correction of
`poisson.py`, takes away where the two differ in brightness along the region's rim. What is drawn at 64 px is one band;
drawn at more it has finer ones (Burt & Adelson 1983), and each fades in over FEATHER of its own pixels: coarse waves
softly, fine grain at once. The clean picture keeps whatever is finer still.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from defectgen.imaging.distance import to_outside
from defectgen.imaging.files import Mask, Pixels, from_float, to_float
from defectgen.imaging.poisson import correction
from defectgen.imaging.pyramid import weigh

FEATHER = 4.0  # pixels of a band over which it fades in from the region's edge
RIM = 2  # pixels at 64 px of the region's rim that the correction looks at


def composite(clean: Pixels, seen: NDArray[np.float32], drawn: NDArray[np.float32], region: Mask) -> Pixels:
    """The clean native square (S, S[, 3]) with what was drawn.

    seen, drawn: (C, N, N) in [-1, 1]; region (M, M), N a power of two times M. Where the region does not reach the
    result is bit-identical to `clean`, and everywhere if nothing was drawn.
    """
    side, size = clean.shape[0], seen.shape[1]
    change = drawn - seen
    inside = region.repeat(size // len(region), axis=0).repeat(size // len(region), axis=1)
    change += _resized(_matching(_resized(change, len(region)), region), size) * inside  # ends as sharply as drawn
    weights = [blend_weight(region, size)]
    while len(weights[-1]) > len(region):
        weights.append(blend_weight(region, len(weights[-1]) // 2))
    planes = _resized(np.stack([weigh(plane, weights) for plane in change]), side)
    planes *= _ramp(_depth(region, side), side / len(region))  # enlarging spreads it past the region's edge
    support = reached(region, side)
    result = from_float(to_float(clean) + planes, clean.dtype)
    return np.where(support if clean.ndim == 2 else support[..., None], result, clean)


def reached(region: Mask, size: int) -> Mask:
    """Where a composite of `size` pixels a side may differ from its clean square, of a region (M, M)."""
    return _depth(region, size) > 0


def blend_weight(region: Mask, size: int) -> NDArray[np.float32]:
    """What a band of `size` pixels is multiplied by: 0 outside the region (M, M), 1 at FEATHER pixels inside its edge.

    A region cut by the square's edge has none there.
    """
    return _ramp(_depth(region, size), FEATHER)


def _depth(region: Mask, size: int) -> NDArray[np.float32]:
    """Distance of each pixel of the region from its edge at `size` pixels a side, in those; outside 0."""
    share = cv2.resize(region.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    return to_outside(np.pad(share >= 0.5, 1, mode="edge"))[1:-1, 1:-1]


def _ramp(depth: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """From 0 to 1 as the depth of a pixel's middle goes from 0 to `width`, level at both ends."""
    share = np.clip((depth - 0.5) / width, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _resized(planes: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(C, N, N) at `size` pixels a side: area averages down, cubic up."""
    how = cv2.INTER_AREA if planes.shape[1] >= size else cv2.INTER_CUBIC
    return np.stack([cv2.resize(plane, (size, size), interpolation=how) for plane in planes])


def _matching(change: NDArray[np.float32], region: Mask) -> NDArray[np.float32]:
    """What to add in the region (M, M) to the change (C, M, M), that along its rim there be nothing but noise."""
    inner = ndimage.binary_erosion(region, border_value=1)
    rim = region & ~ndimage.binary_erosion(region, iterations=RIM, border_value=1)
    share = cv2.GaussianBlur(rim.astype(np.float32), (0, 0), 1)
    known = np.stack([cv2.GaussianBlur(plane * rim, (0, 0), 1) for plane in change]) / np.maximum(share, 1e-6)
    return correction(-known, inner)
