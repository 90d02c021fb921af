"""Squares: reflection against numpy's own, where they lie, and what survives being made small."""

import numpy as np
import pytest
from scipy import ndimage
from small import disc, picture

from defectgen.imaging.files import Mask
from defectgen.imaging.square import MIN_SIDE, ZOOM, Square, reflected, shrink, shrink_mask


@pytest.mark.parametrize("seed", range(40))
def test_a_cut_is_numpys_reflection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(2, 40, 2)
    side = int(rng.integers(1, 120))
    x, y = (int(v) for v in rng.integers(-100, 100, 2))
    pixels = picture(seed, (height, width), channels=3 if seed % 2 else 1)
    margin = 260
    padding = ((margin, margin), (margin, margin), (0, 0))[: pixels.ndim]
    wanted = np.pad(pixels, padding, mode="reflect")[y + margin : y + margin + side, x + margin : x + margin + side]
    assert np.array_equal(Square(x, y, side).cut(pixels), wanted)


def test_a_line_of_pixels_is_repeated() -> None:
    assert reflected(np.arange(-3, 4), 1).tolist() == [0] * 7
    pixels = np.arange(5, dtype=np.uint8)[None]
    assert Square(0, -2, 5).cut(pixels).tolist() == [[0, 1, 2, 3, 4]] * 5


@pytest.mark.parametrize("seed", range(40))
def test_inside_is_what_a_cut_did_not_reflect(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width, side = (int(v) for v in rng.integers(5, 60, 3))
    x, y = int(rng.integers(1 - side, width)), int(rng.integers(1 - side, height))
    pixels = np.arange(height * width).reshape(height, width)
    square = Square(x, y, side)
    place, within = square.inside(pixels.shape)
    assert pixels[place].size and pixels[place].shape == square.cut(pixels)[within].shape
    assert np.array_equal(square.cut(pixels)[within], pixels[place])
    rows, columns = np.mgrid[y : y + side, x : x + side]
    covered = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    assert pixels[place].size == covered.sum() and covered[within].all()


@pytest.mark.parametrize("seed", range(60))
def test_a_square_contains_its_box_and_stays_in_the_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(20, 500, 2))
    w, h = int(rng.integers(1, width + 1)), int(rng.integers(1, height + 1))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    square = Square.around((x, y, w, h), (height, width), rng)
    assert square.x <= x and x + w <= square.x + square.side
    assert square.y <= y and y + h <= square.y + square.side
    for start, size in ((square.x, width), (square.y, height)):
        if square.side <= size:
            assert 0 <= start <= size - square.side
        else:  # it covers the picture: no more is reflected than must be
            assert start <= 0 and start + square.side >= size


def test_sides_follow_the_box() -> None:
    rng = np.random.default_rng(0)
    sides = np.array([Square.around((500, 500, 100, 30), (2000, 2000), rng).side for _ in range(300)]) / 100
    assert ZOOM[0] - 0.01 <= sides.min() < ZOOM[0] + 0.05 and ZOOM[1] - 0.05 < sides.max() <= ZOOM[1] + 0.01
    assert Square.around((500, 500, 5, 9), (2000, 2000), rng).side == MIN_SIDE


def test_the_defect_is_not_always_in_the_middle() -> None:
    rng = np.random.default_rng(0)
    squares = [Square.around((500, 500, 40, 40), (2000, 2000), rng) for _ in range(300)]
    shares = np.array([[(500 - s.x) / (s.side - 40), (500 - s.y) / (s.side - 40)] for s in squares])
    assert np.all(shares.min(axis=0) < 0.3) and np.all(shares.max(axis=0) > 0.7)
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.2


def test_a_picture_smaller_than_the_square_lies_anywhere_in_it() -> None:
    rng = np.random.default_rng(0)
    squares = [Square.around((10, 10, 60, 60), (75, 75), rng) for _ in range(100)]
    large = [square for square in squares if square.side > 75]
    inner = [square for square in large if 75 - square.side < square.x < 0 and 75 - square.side < square.y < 0]
    assert len(inner) > len(large) / 2 > 30


def test_same_generator_same_square() -> None:
    squares = [Square.around((5, 6, 70, 8), (200, 300), np.random.default_rng(4)) for _ in range(2)]
    assert squares[0] == squares[1]


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (1, 16), (3, 16)])
def test_shrinking_averages_areas(channels: int, depth: int) -> None:
    pixels = picture(0, (128, 128), channels, depth)
    small = shrink(pixels, 64)
    assert small.dtype == pixels.dtype and small.shape == (64, 64, channels)[: pixels.ndim]
    wanted = pixels.reshape(64, 2, 64, 2, -1).mean(axis=(1, 3))
    assert np.abs(small.reshape(64, 64, -1) - wanted).max() <= 1
    assert np.array_equal(shrink(small, 64), small)


def test_a_small_square_is_enlarged_smoothly() -> None:
    ramp = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    steps = np.diff(shrink(ramp, 64)[32].astype(int))
    assert shrink(ramp, 64).shape == (64, 64) and set(steps[4:-4]) <= {3, 4, 5}


def _line(side: int, x: float, slope: float, width: int) -> Mask:
    rows, columns = np.mgrid[:side, :side]
    return np.abs(columns - (x + slope * rows)) < width / 2


def _lost(mask: Mask, size: int) -> Mask:
    """Small pixels that the mask touches and that are more than a pixel (diagonals counted) from the small mask."""
    rows, columns = np.nonzero(mask)
    touched = np.zeros((size, size), bool)
    touched[rows * size // mask.shape[0], columns * size // mask.shape[0]] = True
    return touched & ~ndimage.binary_dilation(shrink_mask(mask, size), np.ones((3, 3)))


@pytest.mark.parametrize("seed", range(30))
def test_no_part_of_a_thin_line_is_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side = int(rng.integers(64, 900))
    line = _line(side, rng.uniform(0.2, 0.8) * side, rng.uniform(-0.4, 0.4), int(rng.integers(1, 4)))
    assert shrink_mask(line, 64).any() and not _lost(line, 64).any()


@pytest.mark.parametrize("side", [300, 640, 1000])
def test_a_blob_does_not_hide_its_thin_tail(side: int) -> None:
    mask = _line(side, side / 2, 0.1, 1) | disc(side // 2, side // 2, side // 10, (side, side))
    assert not _lost(mask, 64).any()


@pytest.mark.parametrize("side", [64, 100, 200, 640])
def test_a_blob_keeps_its_size(side: int) -> None:
    mask = disc(side // 2, side // 2, side // 4, (side, side))
    small = shrink_mask(mask, 64)
    assert 0.98 < small.mean() / mask.mean() < 1.12
    if side == 64:
        assert np.array_equal(small, mask)


@pytest.mark.parametrize(("over", "counts"), [(1, False), (2, True), (6, True)])
def test_at_a_blobs_edge_a_quarter_of_a_pixel_counts(over: int, counts: bool) -> None:
    mask = np.zeros((512, 512), bool)
    mask[:, : 256 + over] = True  # one small pixel is 8 x 8 large ones
    small = shrink_mask(mask, 64)
    assert small[:, :32].all() and not small[:, 33:].any()
    assert small[:, 32].all() == small[:, 32].any() == counts


def test_an_empty_mask_stays_empty() -> None:
    assert not shrink_mask(np.zeros((200, 200), bool), 64).any()


def test_a_single_pixel_stays() -> None:
    mask = np.zeros((900, 900), bool)
    mask[450, 300] = True
    assert 1 <= shrink_mask(mask, 64).sum() <= 4
