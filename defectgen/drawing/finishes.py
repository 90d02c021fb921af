"""Finishes without a regular pattern: what casting, brushing, turning, growing and mixing leave on a surface.

Every finish is a function of its random generator and the shape (H, W). Lengths are pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from defectgen.drawing.spectrum import filtered_noise
from defectgen.drawing.texture import Field


@dataclass(frozen=True)
class Finish:
    """A texture, as what it does to a surface; both fields are (H, W)."""

    tone: Field
    """Lighter above 0 and darker below, about -3 to 3; the caller sets the contrast."""
    relief: Field
    """Height in pixels."""


Draw = Callable[[np.random.Generator, tuple[int, int]], Finish]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, every octave as likely as another."""
    return low * math.exp(rng.random() * math.log(high / low))


def plain(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Paint, plastic, glass: nothing, or the soft dimples of orange peel."""
    scale = log_uniform(rng, 1.0, 4.0)
    peel = filtered_noise(rng, shape, scale, smoothness=6) - filtered_noise(rng, shape, 3 * scale, smoothness=6)
    depth = scale * max(rng.uniform(-0.05, 0.12), 0)
    return Finish(0.1 * peel, np.float32(depth) * peel)


def brushed(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Long streaks of several widths, a few of them deep."""
    angle, fine = rng.uniform(0, np.pi), log_uniform(rng, 0.3, 1.0)
    length = log_uniform(rng, 8, 200)
    thin = filtered_noise(rng, shape, length, fine, angle, smoothness=2.5)
    wide = filtered_noise(rng, shape, 3 * length, fine * log_uniform(rng, 3, 12), angle, smoothness=3)
    share = np.float32(rng.uniform(0.2, 0.9))
    tone = share * thin + (1 - share) * wide + np.float32(rng.uniform(0, 0.2)) * thin**3
    return Finish(tone, np.float32(rng.uniform(0, 0.15)) * tone)


def turned(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Marks of a lathe or a mill: grooves along arcs about a centre in or beside the picture."""
    heading, away = rng.uniform(0, 2 * np.pi), max(shape) * log_uniform(rng, 0.4, 8)
    y, x = np.ogrid[: shape[0], : shape[1]]
    radius = np.hypot(x - shape[1] / 2 - away * np.cos(heading), y - shape[0] / 2 - away * np.sin(heading))
    radius = 4 * (radius - radius.min())
    grooves = filtered_noise(rng, (1, int(radius.max()) + 2), 4 * log_uniform(rng, 0.4, 2.0), smoothness=2.5)[0]
    tone = np.interp(radius.ravel(), np.arange(len(grooves)), grooves).astype(np.float32).reshape(shape)
    return Finish(tone, np.float32(rng.uniform(0, 0.25)) * tone)


def cast(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Fine bumps of sand, blasting or powder coating, with pores where they are lowest."""
    scale = log_uniform(rng, 0.5, 3.0)
    bumps = filtered_noise(rng, shape, scale, smoothness=rng.uniform(2, 6))
    pores = np.clip(-bumps - np.float32(rng.uniform(0.8, 2.0)), 0, None) * np.float32(rng.uniform(0, 2))
    relief = scale * (np.float32(rng.uniform(0.03, 0.35)) * bumps - np.float32(rng.uniform(0, 0.8)) * pores)
    return Finish(np.float32(rng.uniform(0, 0.8)) * bumps - pores, relief)


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Wood, rolled or layered stock: wandering bands, one edge sharp, with fibres along them."""
    angle, period = rng.uniform(0, np.pi), log_uniform(rng, 3, 20)
    wander = filtered_noise(rng, shape, log_uniform(rng, 20, 80), rng.uniform(5, 20), angle, smoothness=5)
    across = _across(shape, angle)
    phase = (across / period + np.float32(rng.uniform(0.2, 1.0)) * wander) % 1
    bands = phase**2 * np.clip(8 * (1 - phase), 0, 1) * 2 - 0.6
    fibres = filtered_noise(rng, shape, log_uniform(rng, 6, 60), rng.uniform(0.3, 0.8), angle, smoothness=2.5)
    tone = np.float32(rng.uniform(0.2, 1.2)) * bands + np.float32(rng.uniform(0.2, 0.8)) * np.clip(fibres, -3, 0.7)
    return Finish(tone, np.float32(rng.uniform(0, 0.15)) * tone)


def spots(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Terrazzo, granite, speckle: chips of a few tones, as cut out by the level lines of two noises."""
    scale = log_uniform(rng, 0.7, 7)
    smoothness, cuts = rng.uniform(2, 6), np.sort(rng.uniform(-1.5, 1.5, size=(2, 2)))
    first, second = (np.digitize(filtered_noise(rng, shape, scale, smoothness=smoothness), cut) for cut in cuts)
    tones = rng.standard_normal((3, 3)).astype(np.float32)
    chips = tones[first, second]
    return Finish(chips, np.float32(scale * max(rng.uniform(-0.1, 0.1), 0)) * chips)


def speckled(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Sparse small specks, lighter or darker than the rest: inclusions, dust, flakes."""
    noise = filtered_noise(rng, shape, log_uniform(rng, 0.4, 2.0), smoothness=3)
    specks = np.clip(noise - np.float32(rng.uniform(1.0, 2.5)), 0, 1.5)
    tone = np.float32((1 - 2 * rng.integers(2)) * rng.uniform(1, 3)) * specks
    return Finish(tone, np.float32(rng.uniform(0, 0.8)) * specks)


def clouds(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Noise of any direction, scale and roughness: concrete, leather, patina, fibres, films."""
    along = log_uniform(rng, 0.6, 30)
    across = along * log_uniform(rng, 0.1, 1)
    tone = filtered_noise(rng, shape, along, across, rng.uniform(0, np.pi), smoothness=rng.uniform(1.5, 6))
    crease = np.float32(0.8) - np.abs(tone)
    tone = crease if rng.random() < 0.2 else tone
    return Finish(tone, np.float32(across * rng.uniform(-0.15, 0.15)) * tone)


IRREGULAR: tuple[Draw, ...] = (plain, plain, brushed, brushed, turned, cast, cast, grain, spots, speckled, clouds)


def _across(shape: tuple[int, int], angle: float) -> Field:
    """Distance (H, W) from a line through the picture's corner that runs at `angle` radians from x."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(y * np.cos(angle) - x * np.sin(angle), np.float32)
