"""Bringing a drawn defect into a native picture so that nothing outside its region changes.

Drawn at 64 px: the change is added. Drawn at 256 px: the picture drawn there is blended in, as

    result = clean + fade(alpha) * sum over bands i of  alpha_i * band_i(drawn + u - clean)

alpha_i is the Gaussian pyramid of alpha, so every band crosses over within about its own wavelength; u, the smooth
correction of `poisson.py`, takes away where drawn and clean differ in brightness along the region's rim; the fade ends
at alpha's support what the pyramid spreads past it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels, from_float, to_float
from defectgen.imaging.poisson import GRID, correction
from defectgen.imaging.pyramid import gaussian, weigh

FEATHER = 1.5  # pixels at 64 px over which the blend weight rises from the region's edge
CORE = 0.75  # of alpha's peak: cells above it lie inside the region's rim
FADE = 0.5  # alpha at which the fade has reached 1


def blend_weight(region: Mask, side: int) -> NDArray[np.float32]:
    """Alpha at native size (side, side) in [0, 1] from the region at 64 px; its support lies inside the region."""
    share = cv2.resize(region.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    padded = np.pad((share >= 0.5).astype(np.uint8), 1, mode="edge")  # a region cut by the square's edge is no edge
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.clip(depth / (FEATHER * side / region.shape[0]), 0, 1).astype(np.float32)


def add_change(clean: Pixels, change: NDArray[np.float32], alpha: NDArray[np.float32]) -> Pixels:
    """The clean square (S, S[, 3]) plus the change (C, 64, 64), upsampled and weighted by alpha (S, S).

    The clean picture keeps its native grain; where alpha is 0 the result is bit-identical to it.
    """
    side = clean.shape[0]
    planes = [cv2.resize(plane, (side, side), interpolation=cv2.INTER_CUBIC) for plane in change]
    return _changed(clean, to_float(clean) + np.float32(np.stack(planes)) * alpha, alpha > 0)


def blend(clean: Pixels, drawn: NDArray[np.float32], alpha: NDArray[np.float32]) -> Pixels:
    """The clean square (S, S[, 3]) with the drawn one (C, S, S) in [-1, 1] blended in by alpha (S, S) in [0, 1].

    A brightness that is off in `drawn`, everywhere or as a ramp, is fitted to the clean picture. Where alpha is 0 the
    result is bit-identical to `clean`; if drawn equals clean, everywhere. Any (H, W) will do: of a square that leaves
    the picture give the part inside, or what was drawn past the picture's border counts as the region's rim.
    """
    native = to_float(clean)
    difference = drawn - native
    difference += _offset(difference, alpha)
    levels = int(np.ceil(np.log2(max(1, max(alpha.shape) / GRID))))  # what is coarser has been matched
    weights = gaussian(alpha, levels)
    change = np.stack([weigh(plane, weights) for plane in difference])
    return _changed(clean, native + change * np.minimum(alpha / FADE, 1), alpha > 0)


def _offset(difference: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to add to drawn - clean (C, H, W) so that on the region's rim no low frequency of it is left.

    The rim is the ring of cells, of at most GRID x GRID, about those where alpha is near its peak: within its slope,
    or, if it has none, just outside.
    """
    height, width = alpha.shape
    shape = (min(GRID, width), min(GRID, height))
    weight = cv2.resize(alpha, shape, interpolation=cv2.INTER_AREA)
    small = np.stack([cv2.resize(plane, shape, interpolation=cv2.INTER_AREA) for plane in difference])
    offset = correction(-small, weight > CORE * weight.max())
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in offset])


def _changed(clean: Pixels, planes: NDArray[np.float32], support: Mask) -> Pixels:
    """The planes (C, H, W) as clean's type inside the support (H, W), the clean pixels themselves outside it."""
    drawn = from_float(planes, clean.dtype)
    return np.where(support if clean.ndim == 2 else support[..., None], drawn, clean)
