"""Near duplicates: a photograph saved again is told from another photograph, and no pair is missed."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small import picture

from defectgen.checks import alike
from defectgen.checks.alike import NEAR, Print, near_pairs, note_copies, print_of
from defectgen.checks.picture import Sample
from defectgen.checks.together import Seen
from defectgen.drawing.part import PaintedPart
from defectgen.drawing.plate import BrushedPlate
from defectgen.drawing.product import Product
from defectgen.formats.records import Record
from defectgen.imaging.files import Pixels, pixel_hash
from defectgen.problems import Problems

PRODUCTS = {"plate": BrushedPlate(size=160), "part": PaintedPart(size=160)}


def shots(product: Product) -> list[Pixels]:
    """Six parts, photographed once each."""
    return [product.photograph([0, part], 0, None).image for part in range(6)]


def bits_apart(one: Print, other: Print) -> int:
    return int(np.bitwise_count(one ^ other).sum())


def saved_again(pixels: Pixels) -> list[Pixels]:
    """The same photograph brighter, with more contrast, smaller, larger, as a JPEG, deeper."""
    brighter = np.clip(pixels * 1.1 + 5, 0, 255).astype(np.uint8)
    smaller, larger = (cv2.resize(pixels, None, fx=f, fy=f, interpolation=cv2.INTER_AREA) for f in (0.7, 1.3))
    jpeg = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_UNCHANGED)
    return [brighter, smaller, larger, jpeg, pixels.astype(np.uint16) * 257]


@pytest.mark.parametrize("kind", PRODUCTS)
def test_copies_are_near_and_other_parts_are_far(kind: str) -> None:
    originals = shots(PRODUCTS[kind])
    prints = [print_of(pixels) for pixels in originals]
    for pixels, own in zip(originals, prints, strict=True):
        assert all(bits_apart(own, print_of(copy)) <= NEAR for copy in saved_again(pixels))
    others = [bits_apart(a, b) for n, a in enumerate(prints) for b in prints[:n]]
    assert min(others) > 2 * NEAR


def _random(count: int, seed: int) -> tuple[list[Print], NDArray[np.int64], NDArray[np.int64]]:
    """Prints in families, members of one a few bits apart, with labels and parts that have nothing to do with it."""
    rng = np.random.default_rng(seed)
    families = rng.integers(0, 2**63, (count // 6, 8)).astype(np.uint64)
    prints = families[rng.integers(0, len(families), count)]
    for one in prints:
        for bit in rng.integers(0, 512, rng.integers(0, 12)):
            one[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return list(prints), rng.integers(0, 2, count), rng.integers(0, 3, count)


@pytest.mark.parametrize("count", [1, 7, 130])
def test_pairs_are_those_of_a_plain_double_loop(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "ROWS", 32)
    prints, labels, parts = _random(max(count, 6), 0)
    prints, labels, parts = prints[:count], labels[:count], parts[:count]
    wanted = {}
    for here in range(count):
        candidates = [
            (labels[here] == labels[there], bits_apart(prints[here], prints[there]), there)
            for there in range(here)
            if bits_apart(prints[here], prints[there]) <= NEAR
            and (labels[here] != labels[there] or parts[here] != parts[there])
        ]
        if candidates:
            wanted[here] = min(candidates)[2]
    assert dict(near_pairs(prints, labels.tolist(), parts.tolist())) == wanted
    assert count < 100 or len(wanted) > 50


def test_no_pictures_no_pairs() -> None:
    assert near_pairs([], [], []) == []


def seen(name: str, pixels: Pixels, group: str | None = None, split: str | None = None) -> Seen:
    return Seen.of(Sample(Record(Path(name), name, group=group, split=split), pixels, []), pixel_hash(pixels))


def test_pictures_of_one_group_may_be_alike_and_plain_ones_are_like_any() -> None:
    one, again = picture(1, (80, 80)), picture(1, (80, 80)) // 2
    pictures = [
        seen("a", one, "x"),
        seen("b", again, "x"),
        *(seen(n, np.full((80, 80), 9 * len(n), np.uint8)) for n in ("c", "dd")),
    ]
    pixels = [one, again, np.full((80, 80), 9, np.uint8), np.full((80, 80), 18, np.uint8)]
    problems = Problems()
    note_copies(pictures, [print_of(p) for p in pixels], problems)
    assert problems.all() == []
    note_copies([seen("a", one), seen("b", again), seen("e", one)], [print_of(p) for p in (one, again, one)], problems)
    assert [(problem.where, problem.what) for problem in problems.all()] == [
        ("b", "nearly the same as a, which may fall into another split"),
        ("e", "the same picture as a"),
    ]


@pytest.mark.parametrize(
    ("splits", "named"), [(("train", "train"), False), (("train", "test"), True), ((None, None), True)]
)
def test_supplied_splits_say_what_may_be_alike(splits: tuple[str | None, str | None], named: bool) -> None:
    pixels = [picture(1, (80, 80)), picture(1, (80, 80)) // 2]
    problems = Problems()
    pictures = [seen(str(number), p, split=split) for number, (p, split) in enumerate(zip(pixels, splits, strict=True))]
    note_copies(pictures, [print_of(p) for p in pixels], problems)
    assert bool(problems.all()) == named
