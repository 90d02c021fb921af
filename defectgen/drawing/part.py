"""A painted lever on a bench: an elongated part with an orientation, in any pose, in colour.

The outline is a signed distance in pixels, negative on the part. Shapes are given in shares of the picture's side,
from its centre, for a part that lies along x; the pose turns and shifts the finished surface under the lamps.
"""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from defectgen.drawing.light import Lamp, Radiance, Surface, shade
from defectgen.drawing.product import Product
from defectgen.drawing.texture import Field, orange_peel, smooth_noise

Pose = NDArray[np.float64]
"""An affine map (2, 3) from the surface to the picture, in pixels."""

SMALLEST = 160

EDGE = 5.0
"""Radius in pixels of the part's rounded edges."""

LARGE_END, SMALL_END, LUG = (-0.20, 0.0, 0.19), (0.25, 0.02, 0.12), (-0.05, 0.19, 0.065)
"""Circles x, y, radius whose smooth hull is the outline."""
HOLES = ((-0.23, -0.01, 0.072), (0.275, 0.022, 0.042), (-0.05, 0.195, 0.024))


class PaintedPart(Product):
    """RGB pictures (size, size) of a painted cast lever with three holes and a lug on one side.

    `colour` is the paint's linear RGB albedo, each 0 to 1.
    """

    def __init__(self, size: int = 288, colour: tuple[float, float, float] = (0.68, 0.16, 0.03)) -> None:
        if size < SMALLEST:
            raise ValueError(f"PaintedPart.size: {size} leaves no room for defects; use {SMALLEST} or more")
        if not all(0 <= share <= 1 for share in colour):
            raise ValueError(f"PaintedPart.colour: {colour}; use three numbers from 0 to 1")
        self.size = size
        self.colour = colour

    def surface(self, rng: np.random.Generator) -> Surface:
        shape = (self.size, self.size)
        peel, cloud, grain = orange_peel(rng, shape), smooth_noise(rng, shape, 25), smooth_noise(rng, shape, 0.7)
        paint = np.array(self.colour) * rng.uniform(0.92, 1.08)
        albedo = paint * np.exp(0.03 * cloud + 0.02 * peel + 0.02 * grain)[..., None]
        return Surface(
            albedo=albedo.astype(np.float32),
            height=(self._relief + 0.05 * peel + 0.8 * cloud).astype(np.float32),
            gloss=np.full(shape, 0.42, np.float32),
            substrate=np.array([0.62, 0.60, 0.57], np.float32),
            material=_cover(self._outline),
            shininess=70.0,
        )

    def room(self, surface: Surface) -> NDArray[np.bool_]:
        return self._outline < -EDGE

    def render(self, surface: Surface, rng: np.random.Generator) -> tuple[Radiance, NDArray[np.bool_]]:
        pose = self._pose(rng)
        side = rng.choice([-1, 1])
        lamps = (
            Lamp(x=0.32 * side + rng.normal(0, 0.08), y=rng.uniform(-0.5, -0.25), z=rng.uniform(0.9, 1.2), power=0.8),
            Lamp(x=-0.6 * side + rng.normal(0, 0.1), y=rng.uniform(0.1, 0.5), z=rng.uniform(0.9, 1.3), power=0.2),
        )
        cover = _cover(_posed(self._outline, pose))
        part = shade(_turned(surface, pose), lamps, ambient=0.18)
        bench = shade(self._bench(rng), lamps, ambient=0.25) * _shadow(cover, lamps[0])[..., None]
        return bench + cover[..., None] * (part - bench), cover > 0.5

    @cached_property
    def _outline(self) -> Field:
        grid = self._grid()
        body = _smooth_union(_tapered(*grid, LARGE_END, SMALL_END), _disc(*grid, LUG), 0.06)
        holes = np.minimum.reduce([_disc(*grid, hole) for hole in HOLES])
        return (self.size * np.maximum(body, -holes)).astype(np.float32)

    @cached_property
    def _relief(self) -> Field:
        """Height of the bare casting: rounded edges, a raised boss around the large hole and around the small one."""
        grid = self._grid()
        inside = np.clip(-self._outline, 0, EDGE)
        edge = np.sqrt(EDGE**2 - (EDGE - inside) ** 2)
        bosses = [self.size * (_disc(*grid, hole) - 0.03) for hole in HOLES[:2]]
        return np.asarray(edge + sum(2.5 * expit(-1.4 * boss) for boss in bosses))

    def _grid(self) -> tuple[Field, Field]:
        y, x = (np.mgrid[: self.size, : self.size] + 0.5).astype(np.float32) / self.size - 0.5
        return x, y

    def _pose(self, rng: np.random.Generator) -> Pose:
        """Turn the picture about its centre by any angle and shift it a little."""
        centre = self.size / 2 - 0.5
        turn = np.asarray(cv2.getRotationMatrix2D((centre, centre), rng.uniform(0, 360), 1.0), np.float64)
        turn[:, 2] += rng.uniform(-0.05, 0.05, size=2) * self.size
        return turn

    def _bench(self, rng: np.random.Generator) -> Surface:
        shape = (self.size, self.size)
        weave = smooth_noise(rng, shape, 0.9)
        tone = np.array([0.43, 0.45, 0.47]) * rng.uniform(0.92, 1.05)
        albedo = tone * np.exp(0.04 * weave + 0.03 * smooth_noise(rng, shape, 60))[..., None]
        return Surface(
            albedo=albedo.astype(np.float32),
            height=(0.06 * weave).astype(np.float32),
            gloss=np.full(shape, 0.02, np.float32),
            substrate=np.ones(3, np.float32),
            material=np.zeros(shape, np.float32),
            shininess=4.0,
        )


def _disc(x: Field, y: Field, circle: tuple[float, float, float]) -> Field:
    return np.hypot(x - circle[0], y - circle[1]) - np.float32(circle[2])


def _tapered(x: Field, y: Field, a: tuple[float, float, float], b: tuple[float, float, float]) -> Field:
    """Signed distance to the hull of two circles."""
    along = np.array([b[0] - a[0], b[1] - a[1]])
    length = np.hypot(*along)
    axis = along / length
    u = (x - a[0]) * axis[0] + (y - a[1]) * axis[1]
    v = np.abs((y - a[1]) * axis[0] - (x - a[0]) * axis[1])
    slope = (a[2] - b[2]) / length
    share = np.clip((u - v * slope / np.sqrt(1 - slope**2)) / length, 0, 1)
    return np.hypot(u - share * length, v) - (a[2] + share * (b[2] - a[2]))


def _smooth_union(a: Field, b: Field, reach: float) -> Field:
    overlap = np.clip(reach - np.abs(a - b), 0, None) / reach
    return np.minimum(a, b) - overlap**2 * np.float32(reach / 4)


def _turned(surface: Surface, pose: Pose) -> Surface:
    return Surface(
        albedo=_posed(surface.albedo, pose),
        height=_posed(surface.height, pose),
        gloss=_posed(surface.gloss, pose),
        substrate=surface.substrate,
        material=_posed(surface.material, pose),
        shininess=surface.shininess,
    )


def _cover(outline: Field) -> Field:
    """Share of the part (H, W) in pixels whose centres lie at the signed distances `outline`."""
    return np.clip(0.5 - outline, 0, 1)


def _posed(field: Field, pose: Pose) -> Field:
    moved = cv2.warpAffine(field, pose, field.shape[:2], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _shadow(cover: Field, lamp: Lamp) -> Field:
    """Factor (H, W) on the light of the bench: a soft shadow away from the lamp, a dark one where the part touches."""
    away = -24 * np.array([lamp.x, lamp.y]) / lamp.z
    far = _posed(cover, np.array([[1.0, 0.0, away[0]], [0.0, 1.0, away[1]]]))
    return (1 - 0.55 * cv2.GaussianBlur(far, (0, 0), 5)) * (1 - 0.4 * cv2.GaussianBlur(cover, (0, 0), 2.5))
