"""Light of any station: lamps far and near, what shiny surfaces mirror, uneven light and the shadow beside a part."""

from dataclasses import dataclass

import cv2
import numpy as np

from defectgen.drawing.finishes import log_uniform
from defectgen.drawing.light import Lamp, Radiance, Surface, Vectors, normals, shade, spread
from defectgen.drawing.spectrum import filtered_noise
from defectgen.drawing.texture import Field


@dataclass(frozen=True)
class Room:
    """What a shiny surface mirrors: bright and dark bands, met one after the other as the surface turns."""

    bands: tuple[float, float]
    """Bands met per unit of the normal's x and y."""
    phase: float
    brightness: float

    def mirrored(self, normal: Vectors) -> Field:
        """Light (H, W) that a perfect mirror with these normals shows."""
        turn = np.float32(self.phase) + np.float32(self.bands[0]) * normal[0] + np.float32(self.bands[1]) * normal[1]
        return np.float32(self.brightness) * (1 + np.sin(turn))


@dataclass(frozen=True)
class Station:
    """All the light that falls on a part of shape (H, W)."""

    lamps: tuple[Lamp, ...]
    ambient: float
    overhead: float
    """How much less light comes from the sides than from above: the power of the normal's z that dims all light."""
    room: Room
    uneven: Field
    """(H, W) factor on all light."""
    shadow: float
    """Share of the light that the part keeps from the background beside it."""

    @classmethod
    def draw(cls, rng: np.random.Generator, shape: tuple[int, int]) -> "Station":
        """Draw one at random."""
        lamps = tuple(_lamp(rng) for _ in range((1, 1, 1, 2, 2, 3)[rng.integers(6)]))
        bands, heading = log_uniform(rng, 1.5, 10), rng.uniform(0, 2 * np.pi)
        broad = filtered_noise(rng, shape, shape[1] * log_uniform(rng, 0.2, 2), shape[1] * 0.2, rng.uniform(0, np.pi))
        return cls(
            lamps=lamps,
            ambient=log_uniform(rng, 0.1, 1.0),
            overhead=rng.uniform(0, 2),
            room=Room((bands * np.cos(heading), bands * np.sin(heading)), rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)),
            uneven=np.exp(np.float32(log_uniform(rng, 0.01, 0.3)) * broad),
            shadow=max(rng.uniform(-0.3, 0.8), 0),
        )

    def light(self, surface: Surface) -> Radiance:
        """The radiance (H, W, C) of `surface`."""
        channels, normal = surface.albedo.shape[-1], normals(surface.height)
        mirrored = surface.gloss * self.room.mirrored(normal)
        facing = cv2.pow(normal[2], self.overhead)
        lit = shade(surface, self.lamps, self.ambient) + spread(mirrored, channels)
        return lit * spread(self.uneven * facing * self._shade_beside(surface.material), channels)

    def _shade_beside(self, material: Field) -> Field:
        """Factor (H, W): dark on the background close to the part and on its side away from the first lamp."""
        lamp = self.lamps[0]
        away = np.array([[1, 0, -6 * lamp.x / lamp.z], [0, 1, -6 * lamp.y / lamp.z]])
        moved = cv2.warpAffine(material, away, material.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        return 1 - np.float32(self.shadow) * (1 - material) * cv2.GaussianBlur(moved, (0, 0), 2.5)


def _lamp(rng: np.random.Generator) -> Lamp:
    """A lamp from straight above to grazing, near enough to fade across the picture or far away."""
    distance, heading, tilt = log_uniform(rng, 0.8, 6), rng.uniform(0, 2 * np.pi), rng.uniform(0, 1.3)
    across = distance * np.sin(tilt)
    return Lamp(
        x=across * np.cos(heading), y=across * np.sin(heading), z=distance * np.cos(tilt), power=rng.uniform(0.2, 1)
    )
