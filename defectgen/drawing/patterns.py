"""Finishes with a regular pattern: threads and ribs, cloth, print. Each is a function of rng and shape (H, W)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.finishes import Draw, Finish, log_uniform
from defectgen.drawing.spectrum import filtered_noise
from defectgen.drawing.texture import Field

SUBPIXEL = 4
"""Fractional bits of the coordinates that print is drawn with."""


def grating(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Ribs or threads, straight or a little curved, from round over flat to steep on one side."""
    period = log_uniform(rng, 3, 20)
    _, across = _grid(rng, shape, bend=rng.normal(0, 0.15))
    phase = 2 * np.pi / period * across
    wave = np.sin(phase + np.float32(rng.uniform(-0.9, 0.9)) * np.sin(phase))
    ribs = np.sign(wave) * np.abs(wave) ** np.float32(log_uniform(rng, 0.3, 2))
    return Finish(np.float32(rng.normal(0, 0.7)) * ribs, np.float32(period * rng.uniform(0.02, 0.15)) * ribs)


def woven(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Cloth, belts, carbon fibre, wire mesh: two sets of threads, plain weave or twill."""
    period = log_uniform(rng, 3, 14)
    along, across = _grid(rng, shape, bend=rng.normal(0, 0.05))
    u, v = along / period, across / np.float32(period * rng.uniform(0.7, 1.4))
    repeat = (2, 2, 3, 4)[rng.integers(4)]
    over = (np.floor(u) + np.floor(v)) % repeat < max(1, repeat // 2)
    warp, weft = (np.cos(np.pi * (w - np.floor(w) - np.float32(0.5))) for w in (u, v))
    height = np.where(over, warp * (0.6 + 0.4 * weft), weft * (0.6 + 0.4 * warp))
    thread = np.where(over, np.float32(rng.normal(0, 0.8)), 0)
    uneven = filtered_noise(rng, shape, period, smoothness=2)
    tone = thread + np.float32(rng.uniform(0.3, 2)) * (height - np.float32(0.6)) + np.float32(0.25) * uneven
    return Finish(tone.astype(np.float32), np.float32(period * rng.uniform(0.03, 0.2)) * height.astype(np.float32))


def printed(rng: np.random.Generator, shape: tuple[int, int]) -> Finish:
    """Figures, tracks, or strokes like letters, in another tone, repeated at a pitch or all over."""
    pitch, turn = log_uniform(rng, 8, 30), rng.uniform(0, np.pi) * rng.integers(2)
    figure = FIGURES[rng.integers(len(FIGURES))]
    thickness = int(rng.integers(1, max(2, round(pitch / 7)) + 1))
    ink = np.zeros(shape, np.uint8)
    centres, kinds = _lattice(rng, shape, pitch, turn), int(rng.integers(1, 5))
    for kind in range(kinds):
        for line in figure(rng):
            points = centres[kind::kinds, None] + 0.4 * pitch * line @ _rotation(turn)
            cv2.polylines(ink, list(_fixed(points)), False, 255, thickness, cv2.LINE_AA, SUBPIXEL)
    cover = ink.astype(np.float32) / np.float32(255)
    return Finish(np.float32(4 * rng.integers(2) - 2) * cover, np.float32(rng.uniform(-0.4, 0.4)) * cover)


REGULAR: tuple[Draw, ...] = (grating, woven, printed)

Strokes = list[NDArray[np.float64]]
"""Polylines (N, 2) within -1 to 1."""


def _letter(rng: np.random.Generator) -> Strokes:
    grid = rng.integers([-1, -1], [2, 2], size=(rng.integers(2, 4), rng.integers(2, 4), 2))
    return [line * np.array([0.6, 1.0]) for line in grid]


def _polygon(rng: np.random.Generator) -> Strokes:
    corners = (3, 4, 6, 16)[rng.integers(4)]
    angles = 2 * np.pi * np.arange(corners + 1) / corners
    return [rng.uniform(0.4, 1.0) * np.stack([np.cos(angles), np.sin(angles)], -1)]


def _track(rng: np.random.Generator) -> Strokes:
    step = rng.integers(-1, 2)
    return [np.array([[-1.3, 0], [-0.4, 0], [0.4, step], [1.3, step]])]


def _cross(rng: np.random.Generator) -> Strokes:
    return [np.array([[-1.3, 0], [1.3, 0]]), np.array([[0, -1.3], [0, 1.3]])]


FIGURES = (_letter, _letter, _polygon, _track, _cross)


def _lattice(rng: np.random.Generator, shape: tuple[int, int], pitch: float, turn: float) -> NDArray[np.float64]:
    """Centres (N, 2) as x, y of a turned lattice that covers the picture, a few of them left out."""
    reach = int(0.75 * max(shape) / pitch) + 1
    steps = pitch * (np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T + rng.uniform(-0.5, 0.5, size=2))
    centres = steps @ _rotation(turn) + np.array(shape[::-1]) / 2
    inside = ((centres > -pitch) & (centres < np.array(shape[::-1]) + pitch)).all(1)
    return np.asarray(centres[inside & (rng.random(len(centres)) < rng.uniform(0.3, 1.5))])


def _rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round(points * 2**SUBPIXEL).astype(np.int32)


def _grid(rng: np.random.Generator, shape: tuple[int, int], bend: float) -> tuple[Field, Field]:
    """Coordinates (H, W) in pixels in a random direction, the second bent by `bend` widths over the picture."""
    angle, shift = rng.uniform(0, np.pi), rng.uniform(0, 50)
    y, x = np.ogrid[: shape[0], : shape[1]]
    y, x = y - shape[0] / 2, x - shape[1] / 2
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle) + 2 * bend / shape[1] * along**2
    return np.asarray(along + shift, np.float32), np.asarray(across + shift, np.float32)
