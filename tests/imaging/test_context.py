"""The look of a ring: the same wherever and however the same surroundings lie, another where they differ."""

import cv2
import numpy as np
import pytest
from parts import LANDMARKS, club, photograph, turned
from small import disc

from defectgen.imaging.context import Likeness, Ring, Surface
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.frame import Frame
from defectgen.imaging.place import MIRRORS, carry

SHAPE = (200, 240)
STAY = np.eye(2, 3)[None]


def striped(degrees: float, seed: int = 0) -> Pixels:
    """Lines in one direction: a wave across it, with grain."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    wave = np.sin((x * np.sin(np.radians(degrees)) - y * np.cos(np.radians(degrees))) * 0.8)
    return (128 + 50 * wave + np.random.default_rng(seed).normal(0, 6, SHAPE)).astype(np.uint8)


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y]])


def look(pixels: Pixels, shape: Mask, affine: np.ndarray = STAY[0]) -> np.ndarray:
    return Ring.of(shape, shape).look(Surface.of(pixels, None, shape), affine[None])[0]


@pytest.mark.parametrize(
    ("name", "flip"), [("horizontal", np.fliplr), ("vertical", np.flipud), ("transpose", np.transpose)]
)
def test_a_mirrored_picture_looks_alike_through_a_mirrored_map(name: str, flip) -> None:
    pixels = striped(30)
    pixels[:, :60] = 30
    shape = disc(75, 80, 10, SHAPE)
    mirrored = np.ascontiguousarray(flip(pixels))
    own, other = Frame.of(None, SHAPE), Frame.of(None, mirrored.shape)
    affine = carry(np.array([75.0, 80.0]), own, other, MIRRORS[name], 1.0, 0, np.zeros(2))
    ring, hidden = Ring.of(shape, shape), np.ascontiguousarray(flip(shape))
    here = ring.look(Surface.of(pixels, None, shape), STAY)
    there = ring.look(Surface.of(mirrored, None, hidden), affine[None])
    away = affine[:, :2] @ [75, 80] + affine[:, 2] - [75, 80]
    straight = ring.look(Surface.of(mirrored, None, hidden), shift(*away)[None])
    assert np.abs(here - there).mean() < 0.05
    assert np.abs(here - straight).mean() > 3 * np.abs(here - there).mean()


@pytest.mark.parametrize("degrees", [20, 75, 140, 250])
def test_the_same_place_of_a_turned_part_looks_most_like_it(degrees: int) -> None:
    shape, centre = disc(60, 100, 6, (200, 200)), turned(LANDMARKS[:1], 0, (100, 100))[0]
    ring = Ring.of(shape, shape)
    upright, posed = club(0), club(degrees)
    own, other = Frame.of(upright, upright.shape), Frame.of(posed, posed.shape)
    real = ring.look(Surface.of(photograph(upright, 0.3, 0.8, 0.01), upright, shape), STAY)[0]
    surface = Surface.of(photograph(posed, 0.3, 0.8, 0.01), posed)
    shifts = [(0.0, 0.0), (0.8, 0.0), (1.5, 0.0), (0.0, 2.0), (0.0, -2.0)]
    places = [carry(centre, own, other, np.eye(2), 1.0, 0, np.array(away)) for away in shifts]
    apart = np.abs(ring.look(surface, np.array(places)) - real).mean(axis=1)
    assert apart.argmin() == 0


def test_direction_of_the_lines_edge_and_brightness_are_seen() -> None:
    shape = disc(120, 100, 8, SHAPE)
    along, across, again = look(striped(0), shape), look(striped(90), shape), look(striped(0, seed=5), shape)
    assert np.abs(along - across).mean() > 5 * np.abs(along - again).mean()
    corner = look(striped(0), disc(9, 9, 8, SHAPE))
    assert np.abs(corner - along).mean() > 5 * np.abs(along - again).mean()


def test_a_ring_shows_nothing_of_the_defect_itself() -> None:
    pixels, shape = striped(0), disc(120, 100, 10, SHAPE)
    spoilt = np.where(shape, 255, pixels).astype(np.uint8)
    surface = Surface.of(spoilt, None)
    ring = Ring.of(shape, shape)
    hidden = np.abs(look(spoilt, shape) - look(pixels, shape)).mean()
    assert hidden < 0.1 * np.abs(ring.look(surface, STAY)[0] - look(pixels, shape)).mean()


def test_share_on_the_part_is_measured_without_its_margin() -> None:
    half = np.zeros(SHAPE, bool)
    half[:, :120] = True
    ring = Ring.of(disc(60, 100, 12, SHAPE), disc(60, 100, 12, SHAPE))
    surface = Surface.of(photograph(half, 0.3, 0.8, 0.0), half)
    shares = ring.on_part(surface, np.array([shift(0, 0), shift(60, 0), shift(100, 0)]))
    assert shares == pytest.approx([1, 0.5, 0], abs=0.08)


def test_likeness_counts_what_tells_a_class_from_elsewhere() -> None:
    rng = np.random.default_rng(0)
    looks = rng.normal(0, 1, (40, 2)).astype(np.float32)
    looks[:, 0] *= 0.1  # the first is the class's own, the second is as it is everywhere
    likeness = Likeness(
        looks, np.array(["a"] * 40, object), np.ones(40), rng.normal(0, 1, (40, 6, 2)).astype(np.float32)
    )
    first, second = likeness.distance("a", np.array([[0.5, 0], [0, 0.5]], np.float32), np.zeros(2, np.float32))
    assert first > 15 * second
    assert likeness.distance("a", looks, looks[0])[0] == 0


def test_a_large_picture_is_looked_at_small() -> None:
    small = cv2.GaussianBlur(striped(90), (0, 0), 2)
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    shape = disc(120, 100, 12, SHAPE)
    big = cv2.resize(shape.astype(np.uint8), None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST).astype(bool)
    assert np.abs(look(large, big) - look(small, shape)).mean() < 0.1
    assert Surface.of(large, None).planes.size < 0.1 * large.size * 6


def test_a_part_thinner_than_a_pixel_of_the_planes_is_still_somewhere() -> None:
    pixels, part = np.tile(striped(30), (5, 5)), np.zeros((1000, 1200), bool)
    part[400:402] = True
    surface = Surface.of(pixels, part)
    assert np.isfinite(surface.planes).all()
    assert (surface.at(np.array([[600.0, 400.0], [600.0, 500.0]]))[:, 5] > 0).tolist() == [True, False]
