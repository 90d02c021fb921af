"""Carrying a shape from part to part: to the same place, at the same size, mirrored where asked."""

import numpy as np
import pytest
from parts import LANDMARKS, club, turned
from small import disc

from defectgen.imaging.files import Mask
from defectgen.imaging.frame import Frame
from defectgen.imaging.place import MIRRORS, carry, draw_mirror, reached, slide, warp_mask

SHAPE = (200, 200)
SAME = np.eye(2)
STILL = np.zeros(2)
WIDE = (120, 260)


def _image(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ affine[:, :2].T + affine[:, 2]


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def _hook(degrees: float, centre: tuple[float, float]) -> Mask:
    """A shape without any symmetry, at its place on the part."""
    x, y = turned(LANDMARKS[2:3], degrees, centre)[0]
    spot, tail = turned(np.array([[17.0, 20.0], [30.0, 26.0], [22.0, 34.0]]), degrees, centre).round().astype(int)[:2]
    return disc(round(x), round(y), 9, SHAPE) | disc(*spot, 5, SHAPE) | disc(*tail, 5, SHAPE)


@pytest.mark.parametrize("degrees", range(0, 360, 40))
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_the_centre_arrives_at_its_place_and_sizes_are_kept(degrees: int, scale: float) -> None:
    donor, clean = Frame.of(club(33), SHAPE), Frame.of(club(degrees, (90, 105)), SHAPE)
    for here, there in zip(turned(LANDMARKS, 33, (100, 100)), turned(LANDMARKS, degrees, (90, 105)), strict=True):
        affine = carry(here, donor, clean, SAME, scale, 0, STILL)
        assert np.linalg.norm(_image(affine, here) - there) < 2.5
        assert np.allclose(affine[:, :2] @ affine[:, :2].T, scale**2 * np.eye(2))
        assert np.linalg.det(affine[:, :2]) > 0


def test_shift_is_in_part_coordinates_and_turn_in_degrees() -> None:
    donor, clean = Frame.of(club(10), SHAPE), Frame.of(club(100), SHAPE)
    centre, shift = np.array([95.0, 110.0]), np.array([0.3, -0.2])
    plain = carry(centre, donor, clean, SAME, 1.0, 0, STILL)
    moved = carry(centre, donor, clean, SAME, 1.0, 30, shift)
    assert np.allclose(_image(moved, centre), clean.outward(donor.inward(centre) + shift))
    quotient = moved[:, :2] @ np.linalg.inv(plain[:, :2])
    assert np.degrees(np.arctan2(quotient[1, 0], quotient[0, 0])) == pytest.approx(30)


@pytest.mark.parametrize("degrees", range(0, 360, 45))
def test_a_shape_turns_with_its_part(degrees: int) -> None:
    donor, clean = Frame.of(club(20), SHAPE), Frame.of(club(degrees), SHAPE)
    shape, wanted = _hook(20, (100, 100)), _hook(degrees, (100, 100))
    affine = carry(turned(LANDMARKS[2:3], 20, (100, 100))[0], donor, clean, SAME, 1.0, 0, STILL)
    assert _overlap(warp_mask(shape, affine, SHAPE), wanted) > 0.75
    assert warp_mask(shape, affine, SHAPE).sum() == pytest.approx(shape.sum(), rel=0.05)


def test_mirrored_across_the_long_axis_of_the_part() -> None:
    donor, clean = Frame.of(club(0), SHAPE), Frame.of(club(0)[::-1], SHAPE)
    shape, centre = _hook(0, (100, 100)), turned(LANDMARKS[2:3], 0, (100, 100))[0]
    affine = carry(centre, donor, clean, MIRRORS["vertical"], 1.0, 0, STILL)
    assert np.linalg.det(affine[:, :2]) == pytest.approx(-1)
    assert _overlap(warp_mask(shape, affine, SHAPE), shape[::-1]) > 0.8


@pytest.mark.parametrize(
    ("flip", "mirrored"),
    [("horizontal", lambda mask: mask[:, ::-1]), ("vertical", lambda mask: mask[::-1]), ("transpose", np.transpose)],
)
def test_mirrored_on_a_whole_picture(flip: str, mirrored) -> None:
    shape = disc(60, 40, 14, WIDE) | disc(75, 50, 8, WIDE)
    target = WIDE[::-1] if flip == "transpose" else WIDE
    affine = carry(np.array([60.0, 40.0]), Frame.of(None, WIDE), Frame.of(None, target), MIRRORS[flip], 1.0, 0, STILL)
    assert _overlap(warp_mask(shape, affine, target), mirrored(shape)) > 0.85  # within a pixel


def test_position_in_the_picture_is_kept_in_another_size() -> None:
    affine = carry(np.array([65.0, 90.0]), Frame.of(None, WIDE), Frame.of(None, (240, 520)), SAME, 1.0, 0, STILL)
    assert np.allclose(_image(affine, np.array([65.0, 90.0])), [130, 180])
    assert np.allclose(affine[:, :2], SAME)  # at native size: pixels stay pixels


def test_warping_by_nothing_changes_nothing() -> None:
    mask = disc(20, 20, 7) | disc(40, 30, 2)
    assert np.array_equal(warp_mask(mask, np.eye(2, 3), mask.shape), mask)
    assert not warp_mask(mask, np.array([[1.0, 0, 500], [0, 1, 0]]), mask.shape).any()


def _mirrors(flips: list[str], whole: bool) -> set[tuple[float, ...]]:
    rng = np.random.default_rng(0)
    return {tuple(draw_mirror(flips, whole, rng).ravel().tolist()) for _ in range(200)}


def test_only_allowed_mirrorings_are_drawn() -> None:
    assert _mirrors([], True) == _mirrors([], False) == {(1, 0, 0, 1)}
    assert _mirrors(["horizontal"], True) == {(1, 0, 0, 1), (-1, 0, 0, 1)}
    assert len(_mirrors(["horizontal", "vertical"], True)) == 4
    assert len(_mirrors(["horizontal", "vertical", "transpose"], True)) == 8
    assert _mirrors(["horizontal", "transpose"], False) == {(1, 0, 0, 1), (1, 0, 0, -1)}


@pytest.mark.parametrize("mirror", [SAME, *MIRRORS.values()], ids=["same", *MIRRORS])
@pytest.mark.parametrize(
    ("x", "y", "side"), [(60, 20, "top"), (20, 60, "left"), (240, 60, "right"), (150, 100, "bottom")]
)
@pytest.mark.parametrize("along", [0.0, 0.4, 1.0])
def test_a_slid_shape_is_as_far_from_the_same_border_and_in_the_picture(
    mirror: np.ndarray, x: int, y: int, side: str, along: float
) -> None:
    shape = np.argwhere(disc(x, y, 9, WIDE))[:, ::-1].astype(float)
    other, scale = (300, 340), 1.5
    affine = slide(shape, scale * mirror, WIDE, other, along)
    moved = reached(shape, affine[None])[0]
    distances = [moved[:, 0].min(), moved[:, 1].min(), *(np.array(other[::-1]) - 1 - moved.max(axis=0))]
    gap = {"top": y - 9, "left": x - 9, "right": WIDE[1] - 1 - x - 9, "bottom": WIDE[0] - 1 - y - 9}[side]
    outward = {"top": (0, -1), "left": (-1, 0), "right": (1, 0), "bottom": (0, 1)}[side]
    towards = [(-1, 0), (0, -1), (1, 0), (0, 1)].index(tuple((mirror @ outward).astype(int).tolist()))
    assert distances[towards] == pytest.approx(scale * gap)
    assert min(distances) > -1e-9
    assert np.allclose(affine[:, :2], scale * mirror)
