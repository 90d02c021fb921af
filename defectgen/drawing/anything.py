"""Any surface a camera in a factory may see: what the prior's teacher draws."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.camera import Camera
from defectgen.drawing.finishes import IRREGULAR, Draw, Finish, cast, clouds, log_uniform, plain
from defectgen.drawing.light import Radiance, Surface, spread
from defectgen.drawing.lighting import Station
from defectgen.drawing.outlines import OUTLINES, Outline
from defectgen.drawing.patterns import REGULAR
from defectgen.drawing.product import Product
from defectgen.drawing.spectrum import filtered_noise
from defectgen.drawing.texture import Field

FINISHES = (*IRREGULAR, *REGULAR)
BENCHES = (plain, plain, cast, clouds)
"""What stations put behind a part, for the most."""

OUTLINED = 0.45
"""Share of pictures that show a part's outline."""
GREY = 0.5
"""Share of surfaces without colour."""
MIXED = 0.35
"""Share of surfaces with a second finish."""
FLAT = 0.4
"""Share of surfaces that are not bent."""
ROUND = 0.4
"""Share of parts that are round all over, like a rod, and not flat but for their edges."""
BESIDE = 3
"""Pixels beyond the outline that a defect may reach."""
SMALLEST = 32


class AnySurface(Product):
    """RGB pictures (size, size) of any surface, with or without the outline of a part."""

    def __init__(self, size: int) -> None:
        if size < SMALLEST:
            raise ValueError(f"AnySurface.size: {size} shows nothing; use {SMALLEST} or more")
        self.size = size

    def surface(self, rng: np.random.Generator) -> Surface:
        chroma = 0.0 if rng.random() < GREY else log_uniform(rng, 0.03, 0.8)
        part = self._sheet(rng, chroma, FINISHES)
        if rng.random() > OUTLINED:
            return part
        return _cut_out(rng, part, self._sheet(rng, chroma, FINISHES if rng.random() < 0.5 else BENCHES))

    def room(self, surface: Surface) -> NDArray[np.bool_]:
        around = cv2.dilate((surface.material > 0.5).astype(np.uint8), np.ones((2 * BESIDE + 1,) * 2, np.uint8))
        return np.asarray(around > 0)

    def render(self, surface: Surface, rng: np.random.Generator) -> tuple[Radiance, NDArray[np.bool_]]:
        return Station.draw(rng, (self.size, self.size)).light(surface), surface.material > 0.5

    def camera(self, radiance: Radiance, rng: np.random.Generator) -> Camera:
        """A camera whose exposure was set for this light, to anything from a dark picture to a bright one."""
        exposure = Camera.exposure_for(rng.triangular(0.06, 0.45, 0.94), radiance)
        return Camera(exposure, blur=log_uniform(rng, 0.3, 1.6), noise=log_uniform(rng, 0.002, 0.03))

    def _sheet(self, rng: np.random.Generator, chroma: float, finishes: Sequence[Draw]) -> Surface:
        """A surface of one material that fills the picture, flat or gently bent."""
        shape = (self.size, self.size)
        finish = _finish(rng, shape, finishes)
        contrast = log_uniform(rng, 0.04, 0.6) * (1 + chroma * rng.normal(0, 0.5, size=3))
        pairs = zip(_colour(rng, chroma), contrast.astype(np.float32), strict=True)
        albedo = cv2.merge([np.minimum(share * np.exp(strength * finish.tone), 1) for share, strength in pairs])
        gloss = max(rng.uniform(-0.3, 0.6), 0) * np.exp(np.float32(rng.normal(0, 0.3)) * finish.tone)
        return Surface(
            albedo=np.asarray(albedo, np.float32),
            height=finish.relief + _bend(rng, shape),
            gloss=np.clip(gloss, 0, 1),
            substrate=_colour(rng, chroma),
            material=np.ones(shape, np.float32),
            shininess=log_uniform(rng, 3, 80),
        )


def _finish(rng: np.random.Generator, shape: tuple[int, int], kinds: Sequence[Draw]) -> Finish:
    """One finish or a mixture: one over the other, or each where it has its place."""
    one = kinds[int(rng.integers(len(kinds)))](rng, shape)
    if rng.random() > MIXED:
        return one
    other = kinds[int(rng.integers(len(kinds)))](rng, shape)
    share = np.float32(rng.uniform(0.2, 0.8))
    if rng.random() < 0.4:
        place = filtered_noise(rng, shape, log_uniform(rng, 5, 40)) + np.float32(rng.normal(0, 0.7))
        share = np.clip(0.5 + np.float32(log_uniform(rng, 0.3, 6)) * place, 0, 1)
    return Finish(one.tone + share * (other.tone - one.tone), one.relief + share * (other.relief - one.relief))


def _colour(rng: np.random.Generator, chroma: float) -> Field:
    """A colour (3,) from nearly black to nearly white, without any at chroma 0."""
    hue = rng.standard_normal(3)
    return np.clip(log_uniform(rng, 0.05, 0.8) * np.exp(chroma * (hue - hue.mean())), 0.02, 0.95).astype(np.float32)


def _bend(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Height (H, W) of a sheet that is not quite flat, so that its reflections run across it."""
    if rng.random() < FLAT:
        return np.zeros(shape, np.float32)
    scale = shape[1] * log_uniform(rng, 0.1, 1)
    waves = filtered_noise(rng, shape, 3 * scale, scale, rng.uniform(0, np.pi), smoothness=6)
    return np.float32(scale * rng.uniform(0, 0.25)) * waves


def _cut_out(rng: np.random.Generator, part: Surface, behind: Surface) -> Surface:
    """The part within a random outline, with rounded edges, before another surface."""
    side = part.height.shape[0]
    distance, relief = _outline(rng, side)
    inside = np.maximum(-distance, 0)
    cover = np.clip(0.5 - distance, 0, 1)
    radius = inside.max() + np.float32(0.5) if rng.random() < ROUND else np.float32(log_uniform(rng, 0.5, 0.2 * side))
    depth = np.minimum(inside, radius)
    rounding = np.float32(rng.uniform(0.3, 1.0)) * np.sqrt(depth * (2 * radius - depth)) + relief
    # Close to the outline a missing finish is a missing edge: what lies behind shows.
    deep = np.minimum(inside / np.float32(log_uniform(rng, 2, 0.25 * side)), 1) ** 4
    return Surface(
        albedo=_blend(behind.albedo, part.albedo, cover),
        height=_blend(behind.height, part.height + rounding, cover),
        gloss=_blend(behind.gloss, part.gloss, cover),
        substrate=_blend(behind.albedo, np.tile(part.substrate, (side, side, 1)), np.asarray(deep, np.float32)),
        material=cover,
        shininess=part.shininess,
    )


def _blend(behind: Field, part: Field, cover: Field) -> Field:
    """The part where `cover` (H, W) is 1 and what is behind it where it is 0, both (H, W) or (H, W, C)."""
    share = cover if part.ndim == 2 else spread(cover, part.shape[-1])
    return behind + share * (part - behind)


def _outline(rng: np.random.Generator, side: int) -> Outline:
    """A part's outline in any direction, a little ragged, over (side, side)."""
    angle, reach = rng.uniform(0, 2 * np.pi), side / 2
    y, x = (np.mgrid[:side, :side] + np.float32(0.5 - reach)).astype(np.float32)
    u = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    v = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    ragged = filtered_noise(rng, (side, side), log_uniform(rng, 1, 10), smoothness=3)
    distance, relief = OUTLINES[rng.integers(len(OUTLINES))](rng, u, v, reach)
    return Outline(distance + np.float32(rng.uniform(0, 0.5) ** 2) * ragged, relief)
