"""Gradient-domain pasting by a membrane: the pasted pixels keep their gradients and meet the clean ones at the edge.

    result = pasted + u,   Laplace u = 0 inside the region,   u = clean - pasted just outside it

(Perez et al. 2003, eq. 7). The correction u is smooth, so it is solved on a grid of at most GRID x GRID cells.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from defectgen.imaging.files import Mask, Pixels, from_float, to_float

GRID = 64


def membrane(clean: Pixels, pasted: Pixels, region: Mask) -> Pixels:
    """The clean picture with the pasted one inside the region (H, W), its brightness fitted to the region's edge.

    clean, pasted: native (H, W) or (H, W, 3), of the same shape; the result has clean's depth and outside the region is
    bit-identical to it. Where the region reaches the picture's border there is nothing to meet: the correction is flat
    across it. A region that covers the whole picture is pasted as it is.
    """
    if not region.any():
        return clean.copy()
    box = _box(region)
    inside, goal, given = region[box], to_float(clean[box]), to_float(pasted[box])
    fitted = from_float(given + correction(goal - given, inside), clean.dtype)
    result = clean.copy()
    result[box] = np.where(inside if clean.ndim == 2 else inside[..., None], fitted, clean[box])
    return result


def _box(region: Mask) -> tuple[slice, slice]:
    """Rows and columns of the region and of one pixel around it, within the picture."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2)


def correction(difference: NDArray[np.float32], region: Mask) -> NDArray[np.float32]:
    """u (C, h, w) from clean - pasted (C, h, w): known on the ring of pixels just outside the region."""
    height, width = region.shape
    ring = ndimage.binary_dilation(region) & ~region
    if not ring.any():
        return np.zeros_like(difference)
    shape = (min(GRID, width), min(GRID, height))
    share = cv2.resize(ring.astype(np.float32), shape, interpolation=cv2.INTER_AREA)
    sums = [cv2.resize(plane * ring, shape, interpolation=cv2.INTER_AREA) for plane in difference]
    known = share > 0
    means = (np.stack(sums) / np.where(known, share, 1)).astype(np.float32)
    smooth = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in _harmonic(means, known)]
    return np.stack(smooth)


def _harmonic(values: NDArray[np.float32], known: Mask) -> NDArray[np.float32]:
    """The known cells of values (C, h, w) and, in all others, the mean of their up to four neighbours."""
    height, width = known.shape
    grid = sparse.kronsum(_path(width), _path(height))  # the Laplacian of the grid, rows of cells one after another
    free = sparse.diags_array((~known).ravel().astype(float))
    system = free @ grid + sparse.diags_array(known.ravel().astype(float))
    right = np.where(known, values, 0).reshape(len(values), -1).astype(np.float64).T
    return splu(sparse.csc_array(system)).solve(right).T.reshape(values.shape).astype(np.float32)


def _path(length: int) -> sparse.sparray:
    """The Laplacian of a row of cells: each minus its neighbours; past the ends there is none."""
    links = np.ones(length - 1)
    ends = np.zeros(length)
    ends[:-1] += 1
    ends[1:] += 1
    return sparse.diags_array([-links, ends, -links], offsets=[-1, 0, 1], shape=(length, length))
