"""Shapes drawn like a given one: as large, as long, in its direction and place, of another outline."""

import cv2
import numpy as np
import pytest

from defectgen.drawing.lookalike import lookalike

Shape = np.ndarray


def ellipse(long: int, short: int, degrees: float) -> Shape:
    mask = np.zeros((200, 240), np.uint8)
    return cv2.ellipse(mask, (120, 95), (long, short), degrees, 0, 360, 1, -1).astype(bool)


def moments(mask: Shape) -> tuple[np.ndarray, float, np.ndarray]:
    """Centre (x, y), elongation and long axis."""
    points = np.argwhere(mask)[:, ::-1].astype(float)
    values, axes = np.linalg.eigh(np.cov(points.T))
    return points.mean(axis=0), float(np.sqrt(values[1] / values[0])), axes[:, 1]


@pytest.mark.parametrize(("long", "short", "degrees"), [(30, 30, 0), (40, 16, 25), (60, 6, 110), (10, 6, 70)])
def test_area_place_direction_and_elongation_are_the_shapes(long: int, short: int, degrees: float) -> None:
    shape = ellipse(long, short, degrees)
    centre, elongation, axis = moments(shape)
    drawn = [lookalike(shape, np.random.default_rng(seed)) for seed in range(12)]
    ratios = []
    for mask in drawn:
        where, ratio, along = moments(mask)
        ratios.append(ratio / elongation)
        assert mask.shape == shape.shape
        assert mask.sum() == pytest.approx(shape.sum(), rel=0.1)
        assert np.linalg.norm(where - centre) < 0.25 * long
        assert elongation < 1.5 or abs(along @ axis) > 0.85
    assert np.median(ratios) == pytest.approx(1, abs=0.25)
    assert len({mask.tobytes() for mask in drawn}) == 12
