"""How light makes a surface visible: Lambert's diffuse and Blinn's specular reflection from near lamps.

Lengths are pixels; a lamp's place is given in picture widths from the picture's centre, x to the right, y down and
z towards the camera, which looks straight down from far away. Radiance is linear, about 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.texture import Field

Radiance = NDArray[np.float32]
"""Linear light (H, W, C) that reaches the camera."""


@dataclass(frozen=True)
class Surface:
    """What a part looks like before any light falls on it."""

    albedo: Field
    """(H, W, C) share of light scattered, 0 to 1."""
    height: Field
    """(H, W) in pixels, towards the camera."""
    gloss: Field
    """(H, W) strength of the mirror-like reflection, 0 to 1."""
    substrate: Field
    """(C,) or (H, W, C) albedo that shows where the finish is gone: the bare material, or what lies behind an edge."""
    material: Field
    """(H, W) share of the part in each pixel: 0 = background, 1 = part."""
    shininess: float
    """Blinn's exponent: how sharp the reflections are."""


@dataclass(frozen=True)
class Lamp:
    """A small lamp near the part: its light fades with distance and its reflection has a place."""

    x: float
    y: float
    z: float
    power: float


def shade(surface: Surface, lamps: Sequence[Lamp], ambient: float) -> Radiance:
    """Return the radiance (H, W, C) of `surface` under `lamps` and an even `ambient` light."""
    normal = normals(surface.height)
    diffuse = np.full(surface.height.shape, ambient, np.float32)
    specular = np.zeros_like(diffuse)
    for lamp in lamps:
        towards, strength = _incidence(lamp, surface.height.shape)
        halfway = _unit(towards[0], towards[1], towards[2] + 1)
        diffuse += strength * _cosine(normal, towards)
        specular += strength * _cosine(normal, halfway) ** np.float32(surface.shininess)
    channels = surface.albedo.shape[-1]
    return surface.albedo * spread(diffuse, channels) + spread(surface.gloss * specular, channels)


def spread(field: Field, channels: int) -> Field:
    """`field` (H, W) repeated to (H, W, channels): ten times faster to reckon with than a broadcast last axis."""
    return np.asarray(cv2.merge([field] * channels), np.float32).reshape(*field.shape, channels)


Vectors = tuple[Field, Field, Field]
"""A vector at every pixel: x, y and z, each (H, W)."""


def normals(height: Field) -> Vectors:
    """Unit vectors that stand on the surface (H, W)."""
    down, right = (np.asarray(slope, np.float32) for slope in np.gradient(height))
    return _unit(-right, -down, np.ones_like(height))


def _incidence(lamp: Lamp, shape: tuple[int, ...]) -> tuple[Vectors, Field]:
    """Return unit vectors towards the lamp and the light arriving (H, W), `power` straight below the lamp."""
    x, y = _places(*shape[:2])
    right, down, up = (lamp.x - x).astype(np.float32), (lamp.y - y).astype(np.float32), np.float32(lamp.z)
    squared = right**2 + down**2 + up**2
    distance = np.sqrt(squared)
    return (right / distance, down / distance, up / distance), np.float32(lamp.power * lamp.z**2) / squared


@lru_cache(maxsize=64)
def _places(rows: int, columns: int) -> tuple[Field, Field]:
    """Where the pixels lie, in picture widths from the centre: x (1, columns) and y (rows, 1)."""
    x = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None]
    return x, np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None] * np.float32(rows / columns)


def _cosine(one: Vectors, other: Vectors) -> Field:
    """Cosine (H, W) of the angle between unit vectors, 0 where they point apart."""
    return np.maximum(one[0] * other[0] + one[1] * other[1] + one[2] * other[2], 0)


def _unit(x: Field, y: Field, z: Field) -> Vectors:
    length = np.sqrt(x**2 + y**2 + z**2)
    return x / length, y / length, z / length
