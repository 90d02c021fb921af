"""Part coordinates: the same physical point has the same ones in every pose."""

import numpy as np
import pytest
from parts import LANDMARKS, club, turned

from defectgen.imaging.frame import Frame

SHAPE = (200, 200)


@pytest.mark.parametrize("degrees", range(0, 360, 15))
def test_inward_and_outward_undo_each_other(degrees: int) -> None:
    frame = Frame.of(club(degrees), SHAPE)
    for point in np.random.default_rng(degrees).uniform(-50, 250, (5, 2)):
        assert np.allclose(frame.outward(frame.inward(point)), point)
    assert np.allclose(frame.inward(frame.origin), 0)


@pytest.mark.parametrize("degrees", range(7, 360, 11))
def test_the_same_point_of_the_part_has_the_same_coordinates(degrees: int) -> None:
    upright, posed = Frame.of(club(0), SHAPE), Frame.of(club(degrees, (91.3, 108.8)), SHAPE)
    for here, there in zip(turned(LANDMARKS, 0, (100, 100)), turned(LANDMARKS, degrees, (91.3, 108.8)), strict=True):
        assert np.allclose(posed.inward(there), upright.inward(here), atol=0.06)
        assert np.linalg.norm(posed.outward(upright.inward(here)) - there) < 2


@pytest.mark.parametrize("degrees", range(-170, 180, 17))
def test_the_first_axis_points_to_the_thin_end_and_the_frame_is_right_handed(degrees: int) -> None:
    upright, posed = Frame.of(club(0), SHAPE), Frame.of(club(degrees), SHAPE)
    head, tip = turned(LANDMARKS, degrees, (100, 100))[:2]
    assert posed.inward(tip)[0] > 1 > -1 > posed.inward(head)[0]
    assert np.linalg.det(posed.axes) > 0
    apart = (posed.angle() - upright.angle() - degrees + 180) % 360 - 180
    assert abs(apart) < 1.5


def test_a_mirrored_part_is_mirrored_across_its_long_axis() -> None:
    part, mirrored = Frame.of(club(0), SHAPE), Frame.of(club(0)[::-1], SHAPE)
    for x, y in turned(LANDMARKS, 0, (100, 100)):
        u, v = part.inward(np.array([x, y]))
        assert np.allclose(mirrored.inward(np.array([x, 199 - y])), [u, -v], atol=0.03)


def test_lengths_are_standard_deviations() -> None:
    frame = Frame.of(club(30), SHAPE)
    inside = np.array([frame.inward(point[::-1].astype(float)) for point in np.argwhere(club(30))])
    assert np.allclose(inside.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(inside.std(axis=0), 1, atol=0.01)
    assert abs(np.corrcoef(inside.T)[0, 1]) < 1e-3


def test_the_whole_picture_is_measured_in_half_sides() -> None:
    frame = Frame.of(None, (100, 300))
    assert np.allclose(frame.inward(np.array([150.0, 50.0])), 0)
    assert np.allclose(frame.inward(np.array([300.0, 0.0])), [1, -1])
    assert np.allclose(frame.outward(np.array([-1.0, 1.0])), [0, 100])
    assert frame.angle() == 0


@pytest.mark.parametrize("legal", [np.eye(1, 30, 7), np.ones((1, 30)), np.ones((30, 1)), np.eye(20)])
def test_a_region_without_width_still_has_a_frame(legal: np.ndarray) -> None:
    frame = Frame.of(legal.astype(bool), legal.shape)
    point = np.array([3.0, 4.0])
    assert np.allclose(frame.outward(frame.inward(point)), point)
