"""Defects that drag the texture: bends, thread pulls and smears."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.shapes import turned_grid
from defectgen.drawing.texture import Field, smooth_noise
from defectgen.drawing.tones import contrast, tinted


class Bend(Defect):
    """A smooth bulge of the texture to one side, as where a grating or a weave is bent."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        x, y = turned_grid(rng, int(1.1 * size) + 2, rng.uniform(0.75, 1.0))
        bump = _faded(np.hypot(x, y) / (size / 2))
        push = size * rng.uniform(0.18, 0.33)
        return replace(Mark.rest(x.shape), shift=_pushed(push * bump, rng.uniform(0, 2 * np.pi)))


class ThreadPull(Defect):
    """A line along which the texture is pulled together or along, with a thin line of another tone in it."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        heading, side = rng.uniform(0, np.pi), int(1.1 * size) + 4
        along, across = _headed(side, heading)
        across = across - size * rng.uniform(-0.6, 0.6) * ((along / size) ** 2 - 0.08)
        reach = min(1.0 + rng.uniform(0.02, 0.1) * size, size / 4)
        ends = _faded(along / (size / 2), steepness=8)
        pull = ends * np.exp(-((across / reach) ** 2)) * rng.uniform(0.5, 1.2) * reach
        gather = ends * np.exp(-((across / reach) ** 2)) * across * rng.uniform(0, 0.8)
        core = (ends * np.exp(-((across / rng.uniform(0.6, 1.0)) ** 2))).astype(np.float32)
        return replace(
            Mark.rest(core.shape),
            relief=rng.uniform(-0.4, 0.4) * core,
            tint=tinted(core, contrast(rng, 0.2, 1.5)),
            shift=_pushed(pull, heading) + _pushed(gather, heading + np.pi / 2),
        )


class Smear(Defect):
    """Streaks in one direction, tinted and dragged along, as if something had been wiped over the surface."""

    sizes = (5.0, 56.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        heading, side = rng.uniform(0, 2 * np.pi), int(1.1 * size) + 2
        along, across = _headed(side, heading)
        width = max(size * rng.uniform(0.3, 0.7), 3.5)
        streak = _streaks(rng, across, rng.uniform(0.5, 1.2) + size / 50)
        front = along / (size / 2) * (1 + 0.15 * _streaks(rng, across, 1.0)) + 0.1 * rng.standard_normal()
        within = _faded(front, 10) * _faded(across / (width / 2), 5)
        share = (within * np.clip(0.6 + 0.4 * streak, 0, 1.3)).astype(np.float32)
        thinning = np.clip(0.8 - rng.uniform(0, 0.8) * along / size, 0, 1).astype(np.float32)
        return replace(
            Mark.rest(share.shape),
            tint=tinted(share * thinning, contrast(rng, 0.2, 1.2)),
            gloss=np.clip(1 + rng.uniform(-0.9, 0.6) * share, 0, None),
            shift=_pushed(-rng.uniform(0.05, 0.25) * size * share, heading),
            level=np.clip(rng.uniform(0, 0.8) * share, 0, 1),
        )


def _headed(side: int, heading: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (side, side) along and across a heading in radians, about the centre."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return x * np.cos(heading) + y * np.sin(heading), y * np.cos(heading) - x * np.sin(heading)


def _pushed(distance: NDArray[np.float64], heading: float) -> Field:
    """The shift (h, w, 2) by a distance (h, w) in pixels along a heading in radians."""
    return np.stack([np.cos(heading) * distance, np.sin(heading) * distance], axis=-1).astype(np.float32)


def _faded(radius: NDArray[np.float64], steepness: float = 2) -> NDArray[np.float64]:
    """1 at radius 0, 0 from radius 1 on, smooth between: the steeper, the longer near 1."""
    return np.clip(1 - np.abs(radius) ** steepness, 0, 1) ** 2


def _streaks(rng: np.random.Generator, across: NDArray[np.float64], thickness: float) -> Field:
    """Noise (h, w) that varies across a heading only."""
    profile = smooth_noise(rng, (1, 2 * across.shape[0]), thickness)[0]
    return profile[np.clip(np.round(across + across.shape[0]), 0, profile.size - 1).astype(int)]
