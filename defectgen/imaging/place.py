"""Putting a real defect's shape at the place of another picture where the first one's part has it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask
from defectgen.imaging.frame import Frame

Affine = NDArray[np.float64]  # (2, 3): native pixels (x, y, 1) of the donor's picture to those of the clean one

MIRRORS = {
    "horizontal": np.diag([-1.0, 1.0]),
    "vertical": np.diag([1.0, -1.0]),
    "transpose": np.array([[0.0, 1.0], [1.0, 0.0]]),
}


def draw_mirror(flips: list[str], whole: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random product of the allowed mirrorings, (2, 2), in frame coordinates.

    A part with a silhouette mirrors only across its long axis: its ends are not alike.
    """
    allowed = [MIRRORS[flip] for flip in flips] if whole else [MIRRORS["vertical"]] * bool(flips)
    mirror = np.eye(2)
    for matrix in allowed:
        if rng.random() < 0.5:
            mirror = matrix @ mirror
    return mirror


def carry(
    centre: NDArray[np.float64],
    donor: Frame,
    clean: Frame,
    mirror: NDArray[np.float64],
    scale: float,
    turn: float,
    shift: NDArray[np.float64],
) -> Affine:
    """The similarity that carries a defect with `centre` (2,) pixels to the same place of another part.

    mirror (2, 2) and shift (2,) act in frame coordinates; scale multiplies native size; turn is in degrees.
    """
    angle = np.radians(clean.angle() + turn)
    linear = scale * _rotation(angle) @ mirror @ _rotation(-np.radians(donor.angle()))
    target = clean.outward(mirror @ donor.inward(centre) + shift)
    return np.column_stack([linear, target - linear @ centre])


def slide(
    shape: NDArray[np.float64],
    linear: NDArray[np.float64],
    own: tuple[int, int],
    clean: tuple[int, int],
    along: float,
) -> Affine:
    """The map that leaves a shape at the border of the picture that it was nearest to, moved along it.

    shape (N, 2): its pixels on a picture of (height, width) `own`; linear (2, 2): mirrors and scales; along: where on
    that border of a picture `clean`, 0 to 1. Its distance from the border is scaled with it.
    """
    ends = np.array(own[::-1]) - 1
    gaps = np.concatenate([shape.min(axis=0), ends - shape.max(axis=0)])
    side = int(gaps.argmin())
    gap = gaps[side] * np.sqrt(abs(np.linalg.det(linear)))
    outward = linear[:, side % 2] * (1 if side >= 2 else -1)
    axis = int(np.abs(outward).argmax())
    moved = shape @ linear.T
    room = np.array(clean[::-1]) - 1 - moved.max(axis=0)  # how far it may move before it leaves the picture
    offset = -moved.min(axis=0) + along * (room + moved.min(axis=0))
    offset[axis] = room[axis] - gap if outward[axis] > 0 else gap - moved[:, axis].min()
    return np.column_stack([linear, offset])


def warp_mask(mask: Mask, affine: Affine, shape: tuple[int, int]) -> Mask:
    """A full-size mask carried onto a picture of (height, width); antialiased, cut at one half."""
    warped = cv2.warpAffine(mask.astype(np.float32), affine, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
    return warped >= 0.5


def _rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def reached(points: NDArray[np.float64], affines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points (N, 2) arrive by each of several maps (K, 2, 3): (K, N, 2)."""
    return points @ affines[:, :, :2].transpose(0, 2, 1) + affines[:, None, :, 2]
