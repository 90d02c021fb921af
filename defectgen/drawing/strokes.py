"""Defects drawn along a line: scratches and cracks.

A line is a row of close points, each with a thickness; a pixel takes distance and thickness from its nearest point.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from defectgen.drawing.defect import Defect, Mark
from defectgen.drawing.texture import Field

SPACING = 0.4
"""Pixels between neighbouring points of a line."""


@dataclass(frozen=True)
class Line:
    """Points (N, 2) as x, y in pixels and, at each, a thickness in pixels and a strength from 0 to 1 (N,)."""

    points: NDArray[np.float64]
    thickness: NDArray[np.float64]
    strength: NDArray[np.float64]


class Scratch(Defect):
    """A thin, gently curved line: a bright bottom where the finish is gone, between dark edges; it comes and goes."""

    sizes = (34.0, 90.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        line = self._line(rng, size)
        distance, strength = _field(line, margin=7)
        core = strength * np.exp(-(distance**2))
        edge = strength * np.exp(-((distance - 1.9) ** 2) / 0.7)
        dark = rng.uniform(0.35, 0.65)
        tint = 1 - dark * edge
        return replace(
            Mark.rest(core.shape),
            relief=(0.3 * edge - 0.4 * core).astype(np.float32),
            tint=np.repeat(tint[..., None], 3, axis=-1).astype(np.float32),
            bare=(rng.uniform(0.85, 1.0) * core).astype(np.float32),
            gloss=(1 + 1.5 * core - 0.5 * edge).astype(np.float32),
        )

    def _line(self, rng: np.random.Generator, length: float) -> Line:
        count = int(length / SPACING)
        along = np.linspace(-0.5, 0.5, count)
        bend = rng.uniform(-0.9, 0.9) / count
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(bend * (1 + rng.uniform(-1.5, 1.5) * along))
        thickness = rng.uniform(0.85, 1.3) * (1 + 0.2 * _wander(rng, count, 20) + 0.1 * _wander(rng, count, 3))
        ends = np.clip((0.5 - np.abs(along)) / rng.uniform(0.08, 0.3), 0, 1) ** 0.7
        pressure = 0.8 + 0.2 * _wander(rng, count, 10) + 0.12 * _wander(rng, count, 2) + rng.uniform(-0.6, 0.6) * along
        strength = ends * np.clip(pressure, 0.4, 1)
        return Line(_walk(heading), np.clip(thickness * (0.5 + 0.5 * ends), 0.5, None), strength)


class Crack(Defect):
    """A thin dark jagged line that forks and thins out towards its ends."""

    sizes = (30.0, 85.0)

    def draw(self, rng: np.random.Generator, size: float) -> Mark:
        trunk = self._branch(rng, size, rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.15))
        branches = [self._fork(rng, trunk) for _ in range(rng.integers(1, 4))]
        distance, strength = _field(_join([trunk, *branches]), margin=6)
        core = strength * np.exp(-(distance**2))
        shade = strength * np.exp(-((distance / 2.4) ** 2))
        tint = (1 - rng.uniform(0.85, 0.95) * core) * (1 - 0.22 * shade)
        return replace(
            Mark.rest(core.shape),
            relief=(-0.5 * core).astype(np.float32),
            tint=np.repeat(tint[..., None], 3, axis=-1).astype(np.float32),
            gloss=(1 - 0.95 * core).astype(np.float32),
        )

    def _branch(self, rng: np.random.Generator, length: float, heading: float, thickness: float) -> Line:
        """A crack runs straight for a few pixels and then turns sharply, never far from its overall direction."""
        count = max(int(length / SPACING), 8)
        legs = np.cumsum(rng.uniform(2.0, 7.0, size=count) / SPACING)
        leg = np.searchsorted(legs, np.arange(count))
        kinks = rng.uniform(0.25, 0.95, size=count) * np.where(np.arange(count) % 2, 1, -1) * rng.choice([-1, 1])
        drift = 0.35 * _wander(rng, count, 30)
        thin = np.linspace(1.0, 0.5, count) * (1 + 0.2 * _wander(rng, count, 6))
        points = _walk(heading + kinks[leg] + drift)
        return Line(points, np.clip(thickness * thin, 0.45, None), np.linspace(1.0, 0.7, count))

    def _fork(self, rng: np.random.Generator, trunk: Line) -> Line:
        start = int(len(trunk.points) * rng.uniform(0.2, 0.75))
        ahead = trunk.points[min(start + 20, len(trunk.points) - 1)] - trunk.points[max(start - 10, 0)]
        heading = np.arctan2(ahead[1], ahead[0]) + rng.choice([-1, 1]) * rng.uniform(0.6, 1.1)
        length = len(trunk.points) * SPACING * rng.uniform(0.18, 0.42)
        branch = self._branch(rng, length, heading, 0.8 * trunk.thickness[start])
        offset = trunk.points[start] - branch.points[0]
        return Line(branch.points + offset, branch.thickness, branch.strength)


def _walk(heading: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 2) of a path with the given headings in radians."""
    return np.cumsum(SPACING * np.stack([np.cos(heading), np.sin(heading)], axis=-1), axis=0)


def _wander(rng: np.random.Generator, count: int, reach: float) -> NDArray[np.float64]:
    """Smooth noise (N,) of unit standard deviation that forgets itself over `reach` pixels."""
    sigma = reach / SPACING
    noise = gaussian_filter1d(rng.standard_normal(count), sigma, mode="wrap")
    return noise * np.sqrt(2 * sigma * np.sqrt(np.pi))


def _join(lines: list[Line]) -> Line:
    return Line(
        np.concatenate([line.points for line in lines]),
        np.concatenate([line.thickness for line in lines]),
        np.concatenate([line.strength for line in lines]),
    )


def _field(line: Line, margin: int) -> tuple[Field, Field]:
    """Each pixel's distance to the line, in thicknesses, and the strength there, in its rectangle plus `margin`."""
    low = np.floor(line.points.min(0)) - margin
    width, height = (np.ceil(line.points.max(0)) + margin - low).astype(int) + 1
    y, x = np.mgrid[:height, :width]
    distance, nearest = cKDTree(line.points - low).query(np.stack([x, y], axis=-1))
    return (distance / line.thickness[nearest]).astype(np.float32), line.strength[nearest].astype(np.float32)
