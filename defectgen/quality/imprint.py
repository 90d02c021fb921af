"""A defect's imprint: what its picture shows beyond its shape, at a size of its own.

A generated defect is drawn in a real one's shape on purpose, and any two dark pits of one shape look alike. So whatever
follows from the shape is taken away: shading over the defect (a quadratic) and brightness by depth inside the shape (a
broken line). What is left tells one pit from another; of a plain little one nothing is.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, to_float
from defectgen.imaging.square import Square, shrink
from defectgen.quality.drawn import Drawn

Plane = NDArray[np.floating]

SIZE = 64  # side of an imprint; the shape's reach from its centre is under half of it, so that it may turn
RIM = 1.0  # pixels of an imprint about the shape that belong to it
DEPTHS = (-1.0, 1.0, 3.0, 6.0, 12.0)  # where the line of brightness by depth may break
LOUDEST = 3.0  # standard deviations: one bright rim must not decide
SMALLEST = 16  # native pixels: the side of the smallest square that is cut


@dataclass(frozen=True)
class Imprint:
    """residual, weight (SIZE, SIZE): what is left, and 1 where there is anything to compare.

    reach: from the shape's centre to its farthest pixel, native pixels. patches: how many independent pixels the
    residual is worth, after Bartlett's formula: its area over the sum of its squared autocorrelation.
    """

    residual: Plane
    weight: Plane
    reach: float
    patches: float


def imprint(drawn: Drawn) -> Imprint:
    """Of `drawn.result` inside `drawn.shape`, whose brightness is averaged over the channels.

    Beyond the edge of the defect's square there is no shape: what is mirrored there is nobody's picture.
    """
    rows, columns = np.nonzero(drawn.shape)
    y, x = rows.mean(), columns.mean()
    reach = float(np.hypot(rows - y, columns - x).max())
    side = max(SMALLEST, int(np.ceil(2 * (1.15 * reach + 3))))
    square = Square(round(x - side / 2), round(y - side / 2), side)
    brightness = to_float(shrink(square.cut(drawn.result), SIZE)).mean(axis=0)
    depth = _depth(_resized(square, drawn.shape))
    inside = depth > -RIM
    residual = np.zeros((SIZE, SIZE), np.float32)
    residual[inside] = _unexplained(brightness, depth, inside)
    weight = inside.astype(np.float32)
    return Imprint(residual, weight, max(reach, 1.0), _independent(residual, weight))


def _resized(square: Square, mask: Mask) -> Plane:
    """Share of each pixel of an imprint that a mask covers; none outside the mask's picture."""
    cut = np.zeros((square.side, square.side), np.float32)
    there, inside = square.inside(mask.shape)
    cut[inside] = mask[there]
    how = cv2.INTER_AREA if square.side >= SIZE else cv2.INTER_LINEAR
    return cv2.resize(cut, (SIZE, SIZE), interpolation=how).astype(np.float32)


def _depth(share: Plane) -> Plane:
    """Distance to the shape's edge, positive inside; a line thinner than a pixel still has an inside."""
    shape = (share >= min(0.5, 0.9 * share.max())).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(each, cv2.DIST_L2, 5) for each in (shape, 1 - shape))
    return (inside - outside).astype(np.float32)


def _unexplained(brightness: Plane, depth: Plane, inside: Mask) -> NDArray[np.float64]:
    """Brightness inside less what position and depth explain of it, (pixels,)."""
    y, x = (np.nonzero(inside)[axis] / (SIZE / 2) - 1 for axis in (0, 1))
    knots = [knot for knot in DEPTHS if knot < depth.max() + 1]
    steps = [np.interp(depth[inside], knots, hat) for hat in np.eye(len(knots))[1:]]
    causes = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, *steps], axis=1)
    values = brightness[inside].astype(np.float64)
    left = values - causes @ np.linalg.lstsq(causes, values, rcond=None)[0]
    spread = LOUDEST * left.std()
    return left.clip(-spread, spread)


def _independent(residual: Plane, weight: Plane) -> float:
    spectrum = np.abs(np.fft.rfft2(residual, (2 * SIZE, 2 * SIZE))) ** 2
    correlation = np.fft.irfft2(spectrum)
    return float(weight.sum() / max(1.0, ((correlation / max(correlation[0, 0], 1e-12)) ** 2).sum()))
