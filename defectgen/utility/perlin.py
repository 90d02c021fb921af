"""Procedural anomalies: a patch of foreign texture in the shape of fractal noise (DRAEM, Zavrtanik et al. 2021).

    score = sum_i 2^-i noise(scale / 2^i) - (distance from the centre / a third of the square's side)^2

The highest scores within the square are the mask; they are filled with another picture's texture at another brightness.
"""

import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.texture import smooth_noise
from defectgen.imaging.files import Mask, Pixels, from_float, to_float
from defectgen.imaging.square import Square

OCTAVES = 3
COARSEST = (1 / 16, 1 / 4)  # grain of the first octave over the square's side
AREA = (0.5, 2.0)  # area of the anomaly over the planned shape's
FEWEST = 16  # native pixels
FULLEST = 0.5  # of the place there is
OPACITY = (0.3, 0.9)
CONTRAST = (0.7, 1.4)
APART = 0.5  # brightness of the texture from the clean surface's, at least, in units of [-1, 1]


def anomaly(
    clean: Pixels, other: Pixels, square: Square, shape: Mask, legal: Mask | None, rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    """The clean picture (H, W[, 3]) with an anomaly about the planned shape (H, W), and the anomaly's mask (H, W).

    other: the picture the texture is cut from, of any size and depth; legal: where a defect may lie, None = anywhere.
    """
    mask = _mask(square, shape, legal, rng)
    place, inside = square.inside(shape.shape)
    surface, here = to_float(clean[place]), mask[place]
    texture = _texture(other, square.side, surface[:, here].mean(), rng)[:, *inside]
    blended = surface + np.float32(rng.uniform(*OPACITY)) * (texture - surface)
    result = clean.copy()
    drawn = from_float(blended, clean.dtype)
    result[place] = np.where(here if clean.ndim == 2 else here[..., None], drawn, clean[place])
    return result, mask


def _mask(square: Square, shape: Mask, legal: Mask | None, rng: np.random.Generator) -> Mask:
    """The pixels of highest score, as many as half to twice the planned shape has."""
    place, inside = square.inside(shape.shape)
    allowed = np.ones_like(shape[place]) if legal is None else legal[place]
    wanted = shape.sum() * np.exp(rng.uniform(*np.log(AREA)))
    count = int(np.clip(wanted, min(FEWEST, allowed.sum()), max(FEWEST, FULLEST * allowed.sum())))
    score = np.where(allowed, _score(square, shape, rng)[inside], -np.inf)
    mask = np.zeros_like(shape)
    mask[place] = allowed & (score >= np.partition(score, -count, axis=None)[-count])
    return mask


def _score(square: Square, shape: Mask, rng: np.random.Generator) -> NDArray[np.float64]:
    """(side, side): fractal noise that falls off from the shape's centre."""
    size, coarsest = (square.side, square.side), square.side * rng.uniform(*COARSEST)
    noise = sum(0.5**octave * smooth_noise(rng, size, coarsest * 0.5**octave) for octave in range(OCTAVES))
    centre = np.argwhere(shape).mean(axis=0) - (square.y, square.x)
    distance = np.linalg.norm(np.indices(size) - centre[:, None, None], axis=0)
    return noise - (3 * distance / square.side) ** 2


def _texture(other: Pixels, side: int, surface: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(C, side, side) in about [-1, 1]: a random crop, mirrored, turned, brighter or darker than the surface."""
    height, width = other.shape[:2]
    x, y = rng.integers(0, [max(1, width - side + 1), max(1, height - side + 1)])
    crop = to_float(Square(int(x), int(y), side).cut(other))
    turned = np.rot90(crop[..., :: rng.choice([-1, 1])], int(rng.integers(4)), axes=(1, 2))
    levels = np.linspace(-0.9, 0.9, 181)
    level = rng.choice(levels[abs(levels - surface) >= APART])
    return ((turned - turned.mean()) * rng.uniform(*CONTRAST) + level).astype(np.float32)
