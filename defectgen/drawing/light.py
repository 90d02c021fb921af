"""How light makes a surface visible: Lambert's diffuse and Blinn's specular reflection from near lamps.

Lengths are pixels; a lamp's place is given in picture widths from the picture's centre, x to the right, y down and
z towards the camera, which looks straight down from far away. Radiance is linear, about 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    substrate: tuple[float, ...]
    """C albedos of the bare material under the finish."""
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
    normal = _normals(surface.height)
    diffuse = np.full(surface.height.shape, ambient, np.float32)
    specular = np.zeros_like(diffuse)
    for lamp in lamps:
        towards, strength = _incidence(lamp, surface.height.shape)
        halfway = _unit(towards + np.array([0, 0, 1], np.float32)[:, None, None])
        diffuse += strength * np.clip((normal * towards).sum(0), 0, None)
        specular += strength * np.clip((normal * halfway).sum(0), 0, None) ** np.float32(surface.shininess)
    return surface.albedo * diffuse[..., None] + (surface.gloss * specular)[..., None]


def _normals(height: Field) -> Field:
    """Unit vectors (3, H, W) across the surface."""
    down, right = np.gradient(height)
    return _unit(np.stack([-right, -down, np.ones_like(height)]))


def _incidence(lamp: Lamp, shape: tuple[int, ...]) -> tuple[Field, Field]:
    """Return unit vectors towards the lamp (3, H, W) and the light arriving (H, W), `power` straight below the lamp."""
    rows, columns = shape[:2]
    x = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None]
    y = np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None] * np.float32(rows / columns)
    offset = np.stack(np.broadcast_arrays(lamp.x - x, lamp.y - y, np.float32(lamp.z))).astype(np.float32)
    squared = (offset**2).sum(0)
    return offset / np.sqrt(squared), np.float32(lamp.power * lamp.z**2) / squared


def _unit(vectors: Field) -> Field:
    return vectors / np.sqrt((vectors**2).sum(0))
