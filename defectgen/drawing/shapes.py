"""Closed shapes that defects fill: ragged ellipses and polygons, as the share of each pixel that they cover."""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.texture import Field

Points = NDArray[np.float64]
"""Corners (N, 2) of a closed shape as x, y in pixels."""

FINE = 4
"""Parts into which a pixel's side is cut to find how much of it is covered."""


def ragged_ellipse(rng: np.random.Generator, size: float, aspect: float, roughness: float) -> Points:
    """Return an ellipse `size` pixels long, `aspect` as wide, its outline astray by the share `roughness`."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = np.arange(2, 12)
    height = rng.standard_normal(waves.size) / waves
    stray = (height * np.cos(np.outer(angle, waves) + rng.uniform(0, 2 * np.pi, waves.size))).sum(-1)
    return _fitted(rng, angle, np.exp(roughness * stray), size, aspect)


def polygon(rng: np.random.Generator, size: float, aspect: float) -> Points:
    """Return a polygon of 3 to 8 corners, `size` pixels long and about `aspect` as wide."""
    corners = rng.integers(3, 9)
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) / corners
    return _fitted(rng, angle, rng.uniform(0.55, 1.0, corners), size, aspect)


def any_shape(rng: np.random.Generator, size: float, least_aspect: float = 0.35) -> Points:
    """Return an ellipse, a ragged one or a polygon, `size` pixels long."""
    aspect = rng.uniform(least_aspect, 1.0)
    if rng.random() < 0.4:
        return polygon(rng, size, aspect)
    return ragged_ellipse(rng, size, aspect, rng.uniform(0.0, 0.6))


def filled(points: Points, margin: int) -> Field:
    """Return the share (h, w) that a closed shape covers of each pixel of its rectangle and a `margin` around it."""
    low = np.floor(points.min(0)) - margin
    canvas = _canvas(points.max(0) - low, margin)
    cv2.fillPoly(canvas, [np.round(FINE * (points - low) - 0.5).astype(np.int32)], 255)
    return _coverage(canvas)


def discs(centres: Points, radii: NDArray[np.float64], margin: int) -> Field:
    """Return the share (h, w) that discs cover of each pixel of their rectangle and a `margin` around it."""
    low = np.floor((centres - radii[:, None]).min(0)) - margin
    canvas = _canvas((centres + radii[:, None]).max(0) - low, margin)
    for (x, y), radius in zip(FINE * (centres - low) - 0.5, FINE * radii, strict=True):
        cv2.circle(canvas, (round(x), round(y)), max(round(radius), 1), 255, cv2.FILLED)
    return _coverage(canvas)


def softened(field: Field, sigma: float) -> Field:
    """Return `field` (h, w) blurred by `sigma` pixels; what is thrown over its border is lost."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), max(sigma, 0.1), borderType=cv2.BORDER_CONSTANT), np.float32)


def turned_grid(rng: np.random.Generator, side: int, aspect: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (side, side) about the centre, turned at random, one stretched so that circles have `aspect`."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), (y * np.cos(angle) - x * np.sin(angle)) / aspect


def _fitted(rng: np.random.Generator, angle: Points, radius: Points, size: float, aspect: float) -> Points:
    """The corners at these polar coordinates, made `size` long and `aspect` as wide and turned at random."""
    points = radius[:, None] * np.stack([np.cos(angle), aspect * np.sin(angle)], axis=-1)
    points *= size / np.ptp(points, axis=0).max()
    turn = rng.uniform(0, 2 * np.pi)
    return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


def _canvas(reach: NDArray[np.float64], margin: int) -> NDArray[np.uint8]:
    """An empty picture, FINE times too large, of what reaches this far to the right and down."""
    width, height = np.ceil(reach).astype(int) + margin
    return np.zeros((FINE * height, FINE * width), np.uint8)


def _coverage(canvas: NDArray[np.uint8]) -> Field:
    size = (canvas.shape[1] // FINE, canvas.shape[0] // FINE)
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
