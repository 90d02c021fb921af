"""Outlines of parts: signed distances in pixels, negative on the part, of what a patch shows of a part's shape.

Every outline is a function of its random generator and of coordinates x, y (H, W) in pixels about the picture's
centre, turned at random; `reach` is half the picture's side. The centre lies on the part or close to it.
"""

from typing import NamedTuple

import cv2
import numpy as np

from defectgen.drawing.finishes import log_uniform
from defectgen.drawing.texture import Field


class Outline(NamedTuple):
    """Where a part is, and its shape there beyond its rounded edges."""

    distance: Field
    """(H, W) from the outline, negative on the part."""
    relief: Field | np.float32 = np.float32(0)
    """(H, W) height added to the part; all in pixels."""


def edge(rng: np.random.Generator, x: Field, y: Field, reach: float) -> Outline:
    """One straight edge."""
    return Outline(y - np.float32(reach * rng.uniform(-0.3, 0.7)))


def corner(rng: np.random.Generator, x: Field, y: Field, reach: float) -> Outline:
    """Two straight edges that meet, sharp or rounded; or the notch between them."""
    angle, radius = rng.uniform(0.8, 2.3), reach * rng.uniform(0, 0.5)
    one = y - np.float32(reach * rng.uniform(0.1, 0.7))
    other = y * np.float32(np.cos(angle)) + x * np.float32(np.sin(angle)) - np.float32(reach * rng.uniform(0.1, 0.7))
    return Outline(_rounded(one, other, radius) if rng.random() < 0.7 else -_rounded(-one, -other, radius))


def rim(rng: np.random.Generator, x: Field, y: Field, reach: float) -> Outline:
    """A disc, from a whole small one to the slight curve of a large one."""
    radius = reach * log_uniform(rng, 0.6, 4)
    return Outline(cv2.magnitude(x, y + np.float32(radius - reach * rng.uniform(0.1, 0.7))) - np.float32(radius))


def hole(rng: np.random.Generator, x: Field, y: Field, reach: float) -> Outline:
    """A round hole or slot, wholly or partly in the picture."""
    radius, length = reach * log_uniform(rng, 0.15, 0.8), reach * max(rng.uniform(-1, 0.8), 0)
    along = np.clip(np.abs(x - np.float32(reach * rng.uniform(-0.8, 0.8))) - length, 0, None)
    return Outline(np.float32(radius) - cv2.magnitude(along, y - np.float32(reach * rng.uniform(0.1, 0.9))))


def rod(rng: np.random.Generator, x: Field, y: Field, reach: float) -> Outline:
    """A shaft, wire or screw: both edges visible, often tapered, threaded, or with its end in the picture."""
    radius = reach * rng.uniform(0.25, 0.8)
    taper = max(rng.uniform(-0.4, 0.4), 0)
    sides = np.abs(y - np.float32(reach * rng.uniform(-0.25, 0.25))) - np.float32(radius) - np.float32(taper) * x
    end = -x - np.float32(reach * rng.uniform(0.2, 3.0))
    threads = _threads(rng, x, y, reach, radius) if rng.random() < THREADED else np.float32(0)
    return Outline(_rounded(sides, end, radius * rng.uniform(0, 0.7)) - threads, 2 * threads)


def plate(rng: np.random.Generator, x: Field, y: Field, reach: float) -> Outline:
    """A small plate, bar, chip or tablet that lies wholly or nearly in the picture."""
    half = reach * rng.uniform(0.4, 1.1, size=2)
    sides, ends = np.abs(x) - np.float32(half[0]), np.abs(y) - np.float32(half[1])
    return Outline(_rounded(sides, ends, half.min() * rng.uniform(0, 1)))


def _threads(rng: np.random.Generator, x: Field, y: Field, reach: float, radius: float) -> Field:
    """How far the threads of a screw stand out at each pixel."""
    period = reach * log_uniform(rng, 0.2, 0.9)
    turns = np.float32(np.pi / period) * (x + np.float32(period / (4 * radius)) * y)
    crest = cv2.pow(np.abs(np.sin(turns)), rng.uniform(1, 6))
    return np.asarray(np.float32(rng.uniform(0.05, 0.35) * min(radius, period)) * crest, np.float32)


def _rounded(one: Field, other: Field, radius: float) -> Field:
    """What lies inside both outlines, its convex corner rounded."""
    a, b = one + np.float32(radius), other + np.float32(radius)
    beyond = cv2.magnitude(np.maximum(a, 0), np.maximum(b, 0))
    return np.asarray(beyond + np.minimum(np.maximum(a, b), 0) - np.float32(radius), np.float32)


THREADED = 0.5
"""Share of rods that are screws."""

OUTLINES = (edge, edge, corner, corner, rim, rim, hole, rod, rod, rod, plate)
