"""Captions: what is measured is what is said, in words that a tokenizer knows."""

import cv2
import numpy as np
import pytest

from defectgen.imaging.caption import GOOD_SURFACE, caption, near_edge, tone_of
from defectgen.imaging.files import Mask
from defectgen.nn.text import UNKNOWN, Tokenizer, words_of

SIDE = 64


def line(start: tuple[int, int], end: tuple[int, int], thickness: int) -> Mask:
    return cv2.line(np.zeros((SIDE, SIDE), np.uint8), start, end, 1, thickness).astype(bool)


def disc(radius: int) -> Mask:
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (32, 32), radius, 1, -1).astype(bool)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (line((32, 5), (32, 58), 2), "long thin dark crack, vertical"),
        (line((5, 20), (58, 20), 2), "long thin dark crack, horizontal"),
        (line((8, 8), (56, 56), 2), "long thin dark crack, diagonal"),
        (line((56, 8), (8, 56), 2), "long thin dark crack, diagonal"),
        (disc(2), "tiny short round dark crack"),
        (disc(9), "round dark crack"),
        (disc(25), "large long round dark crack"),
        (line((20, 30), (44, 30), 8), "thick dark crack, horizontal"),
    ],
)
def test_shapes_are_called_what_they_are(mask: Mask, expected: str) -> None:
    assert caption("crack", mask, "dark", False) == expected
    assert caption("crack", mask, "dark", True) == f"{expected}, near the edge"


def test_a_class_is_said_in_words() -> None:
    assert "thread side" in caption("thread_side", disc(9), "bright", False)


@pytest.mark.parametrize(("inside", "expected"), [(-0.6, "dark"), (0.6, "bright"), (0.0, "faint"), (None, "mixed")])
def test_tone_is_that_beside_the_surface_about_it(inside: float | None, expected: str) -> None:
    mask, patch = disc(9), np.full((1, SIDE, SIDE), -0.2, np.float32)
    patch[0][mask] += np.where(np.indices(patch[0].shape)[0][mask] < 32, -0.5, 0.5) if inside is None else inside
    assert tone_of(patch, mask) == expected


def test_near_the_edge_is_near_to_where_no_defect_may_lie() -> None:
    allowed = np.ones((SIDE, SIDE), bool)
    assert not near_edge(line((1, 1), (60, 1), 1), allowed), "the square's own border is no edge"
    allowed[:, 40:] = False
    assert near_edge(line((38, 10), (38, 50), 1), allowed) and not near_edge(line((10, 10), (10, 50), 1), allowed)


def test_every_word_but_the_classs_own_is_known_to_the_tokenizer() -> None:
    rng, tokenizer = np.random.default_rng(0), Tokenizer(["good", "thread_side"])
    for _ in range(200):
        start, end = (tuple(int(each) for each in rng.integers(0, SIDE, 2)) for _ in range(2))
        mask = line(start, end, int(rng.integers(1, 30)))
        for tone in ("dark", "bright", "faint", "mixed"):
            text = caption("thread_side", mask, tone, bool(rng.integers(2)))
            assert UNKNOWN not in tokenizer([text]) and len(words_of(text)) < tokenizer([text]).shape[1]
    assert UNKNOWN not in tokenizer([GOOD_SURFACE])
