"""What a person sees of a pasted patch: its own structure, no step at its edge, nothing changed around it."""

import cv2
import numpy as np
import pytest

from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.poisson import membrane

KINDS = [(1, 8), (3, 8), (1, 16), (3, 16)]
KIND = pytest.mark.parametrize(("channels", "depth"), KINDS)
SIZE = (90, 120)


def region(kind: str = "middle", size: tuple[int, int] = SIZE) -> Mask:
    """A blob with a hole and an island, or a band from border to border."""
    canvas = np.zeros(size, np.uint8)
    if kind == "band":
        canvas[30:60] = 1
        return canvas.astype(bool)
    cv2.ellipse(canvas, (size[1] // 2, size[0] // 2), (size[1] // 4, size[0] // 4), 20, 0, 360, 1, -1)
    cv2.circle(canvas, (size[1] // 2, size[0] // 2), 5, 0, -1)
    canvas[3:6, 3:9] = 1
    return canvas.astype(bool)


def hills(channels: int, depth: int, offset: float, slope: float, size: tuple[int, int] = SIZE) -> Pixels:
    """A smooth picture: a brightness, a slope and a long wave, well inside the range."""
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    values = offset + slope * x + 0.1 * np.sin(4 * x + 3 * y)
    planes = np.stack([values * (1 - 0.1 * channel) for channel in range(channels)], axis=2)
    pixels = np.rint(planes * (2**depth - 1)).astype(np.uint8 if depth == 8 else np.uint16)
    return pixels if channels == 3 else pixels[..., 0]


def grain(channels: int, depth: int, seed: int) -> Pixels:
    """Noise that leaves room above and below for a correction."""
    size = SIZE if channels == 1 else (*SIZE, channels)
    top = 2**depth
    noise = np.random.default_rng(seed).integers(top // 4, top // 2, size)
    return noise.astype(np.uint8 if depth == 8 else np.uint16)


@KIND
@pytest.mark.parametrize("kind", ["middle", "band"])
def test_a_picture_pasted_on_itself_stays_as_it_is(channels: int, depth: int, kind: str) -> None:
    clean = grain(channels, depth, 0)
    assert np.array_equal(membrane(clean, clean, region(kind)), clean)


@KIND
@pytest.mark.parametrize("kind", ["middle", "band"])
def test_a_patch_that_is_only_brighter_disappears(channels: int, depth: int, kind: str) -> None:
    clean = grain(channels, depth, 0)
    brighter = clean + clean.dtype.type(2**depth // 5)
    assert np.array_equal(membrane(clean, brighter, region(kind)), clean)


@KIND
def test_outside_the_region_nothing_changes_and_inside_the_patch_keeps_its_structure(channels: int, depth: int) -> None:
    clean, pasted, where = hills(channels, depth, 0.3, 0.2), grain(channels, depth, 1), region()
    result = membrane(clean, pasted, where)
    assert result.dtype == clean.dtype and result.shape == clean.shape
    assert np.array_equal(result[~where], clean[~where])
    inner = cv2.erode(where.astype(np.uint8), np.ones((9, 9))).astype(bool)
    for drawn, given in zip(to_float(result), to_float(pasted), strict=True):
        correlation = np.corrcoef(np.diff(drawn)[inner[:, 1:]], np.diff(given)[inner[:, 1:]])[0, 1]
        assert correlation > 0.95


@KIND
@pytest.mark.parametrize("size", [SIZE, (300, 400)])
def test_brightness_does_not_jump_at_the_edge(channels: int, depth: int, size: tuple[int, int]) -> None:
    """Also where the correction is solved on a coarser grid than the picture's."""
    clean = hills(channels, depth, 0.7, -0.3, size)
    pasted, where = hills(channels, depth, 0.2, 0.5, size), region(size=size)
    before = to_float(np.where(where if channels == 1 else where[..., None], pasted, clean))
    after = to_float(membrane(clean, pasted, where))
    edges = where[:, 1:] != where[:, :-1]
    assert abs(np.diff(before))[:, edges].mean() > 0.25
    assert abs(np.diff(after))[:, edges].max() < 0.06


def test_the_correction_is_harmonic() -> None:
    """Each inner pixel's correction is its four neighbours' mean, which no other smooth filling of the edge is."""
    clean, pasted, where = hills(1, 16, 0.7, -0.3), hills(1, 16, 0.3, 0.3), np.zeros(SIZE, bool)
    where[20:70, 30:85] = True
    correction = (to_float(membrane(clean, pasted, where)) - to_float(pasted))[0]
    laplacian = cv2.Laplacian(correction, cv2.CV_32F)[22:68, 32:83]
    assert abs(laplacian).max() < 3e-4  # rounding to 16 bit
    assert np.ptp(correction[20:70, 30:85]) > 0.3


def test_nothing_is_fitted_where_there_is_nothing_to_meet() -> None:
    clean, pasted = grain(1, 8, 0), grain(1, 8, 1)
    assert np.array_equal(membrane(clean, pasted, np.ones(SIZE, bool)), pasted)
    assert np.array_equal(membrane(clean, pasted, np.zeros(SIZE, bool)), clean)


def test_a_patch_of_another_depth_is_pasted_at_the_clean_pictures() -> None:
    clean, deep = grain(1, 8, 0), grain(1, 8, 0).astype(np.uint16) * 257
    assert np.array_equal(membrane(clean, deep, region()), clean)
