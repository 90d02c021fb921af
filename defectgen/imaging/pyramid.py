"""Laplacian pyramids: a picture as bands of detail an octave apart and a small remainder (Burt & Adelson 1983).

    G_0 = picture,   G_i+1 = down(G_i),   L_i = G_i - up(G_i+1),   L_last = G_last;   picture = sum of up^i(L_i)

Planes are (H, W) float32 of any size; band i has about H / 2^i rows. Past its edges a plane is mirrored.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def weigh(plane: Plane, weights: Sequence[Plane]) -> Plane:
    """The plane (H, W) with each of its bands, the finest first, multiplied by the weight of the band's size.

    The last of the weights is that of the remainder, each half the size of the one before; all 1 give the plane back.
    """
    if len(weights) == 1:
        return plane * weights[0]
    small = np.asarray(cv2.pyrDown(plane), np.float32)
    size = plane.shape[::-1]
    detail = (plane - cv2.pyrUp(small, dstsize=size)) * weights[0]
    return detail + cv2.pyrUp(weigh(small, weights[1:]), dstsize=size)
