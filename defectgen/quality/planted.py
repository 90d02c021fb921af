"""Planted copies: a real defect pasted on another picture, changed as little as a network that repeats it would.

They are the positive control of whatever looks for copies.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels, from_float, to_float
from defectgen.imaging.poisson import membrane
from defectgen.imaging.region import grow
from defectgen.imaging.square import Square
from defectgen.quality.drawn import Drawn

TURN, SCALE, BLUR, NOISE = 7.0, 1.1, 0.6, 3.0  # degrees, factor, native pixels, levels of 8 bits
GAIN, OFFSET = 0.1, 12.0  # of brightness at most: share, levels of 8 bits
ROOM = 1.5  # side of the copy's square over the defect's, so that it stays inside when turned
GROUP = "planted"


def planted(defect: Drawn, onto: Pixels, blended: bool, rng: np.random.Generator) -> Drawn:
    """The defect flipped or not, turned by TURN and a multiple of 90 degrees, enlarged, of another brightness, blurred
    and noisy, on a picture of the same channels: pasted with a soft edge, or `blended` into it by a membrane.
    """
    square = _around(defect.side)
    affine = _affine(defect, square, rng)
    share = cv2.warpAffine(defect.shape.astype(np.float32), affine, (square.side, square.side))
    shape = share >= min(0.5, 0.9 * share.max())  # a single pixel has a shape too
    picture = cv2.warpAffine(
        defect.result, affine, (square.side, square.side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    pasted = from_float(to_float(_disturbed(picture, rng)), onto.dtype)
    clean = Square(0, 0, square.side).cut(onto)
    support = grow(shape, max(1.0, defect.side / 32))
    result = membrane(clean, pasted, support) if blended else _softly(clean, pasted, support)
    visible, everywhere = shape.astype(np.float32), np.ones_like(shape)
    return Drawn(defect.label_name, GROUP, clean, result, shape, shape, visible, support, everywhere)


def _around(side: int) -> Square:
    margin = int(np.ceil(side * (ROOM - 1) / 2))
    return Square(-margin, -margin, side + 2 * margin)


def _affine(defect: Drawn, square: Square, rng: np.random.Generator) -> NDArray[np.float64]:
    """Carries the shape's centre to the square's middle."""
    angle = np.radians(rng.choice([-TURN, TURN]) + 90 * rng.integers(4))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = SCALE * turn * np.array([rng.choice([-1.0, 1.0]), 1.0])
    rows, columns = np.nonzero(defect.shape)
    box = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    return np.column_stack([linear, np.full(2, (square.side - 1) / 2) - linear @ box])


def _disturbed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    top = np.iinfo(picture.dtype).max
    level = top / 255
    changed = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), BLUR) * (1 + rng.uniform(-GAIN, GAIN))
    changed += level * (rng.uniform(-OFFSET, OFFSET) + rng.normal(0, NOISE, picture.shape))
    return np.rint(changed).clip(0, top).astype(picture.dtype)


def _softly(clean: Pixels, pasted: Pixels, support: Mask) -> Pixels:
    alpha = cv2.GaussianBlur(support.astype(np.float32), (0, 0), 1.0) * support
    weight = alpha if clean.ndim == 2 else alpha[..., None]
    return np.rint(clean + weight * (pasted.astype(np.float32) - clean)).astype(clean.dtype)
