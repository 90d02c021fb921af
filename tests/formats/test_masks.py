"""Masks of COCO: every way to write one decodes to the same pixels, and nothing broken reaches the decoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco
from small import disc, one_line

from defectgen.errors import BadInput
from defectgen.formats.coco import annotation
from defectgen.formats.masks import MaskFile, parse_segmentation
from defectgen.imaging.files import Mask, write_image
from defectgen.problems import Problems

SIZE = (48, 64)


def decoded(raw: Any, size: tuple[int, int] = SIZE) -> Mask:
    """The mask of a segmentation that has been through a file."""
    return parse_segmentation("annotation 7", json.loads(json.dumps(raw)), size).read(Problems())


def runs_of(mask: Mask) -> list[int]:
    """Uncompressed run lengths, counted by hand."""
    column_by_column = mask.T.ravel()
    changes = np.flatnonzero(np.diff(column_by_column)) + 1
    lengths = np.diff([0, *changes, mask.size]).tolist()
    return [0, *lengths] if column_by_column[0] else lengths


def ring() -> Mask:
    return disc(20, 20, 10) & ~disc(20, 20, 5)


def corner() -> Mask:
    mask = np.zeros(SIZE, bool)
    mask[:3, :5] = mask[-2:, -1:] = True
    return mask


def noise() -> Mask:
    return np.random.default_rng(0).random(SIZE) > 0.7


@pytest.mark.parametrize("mask", [ring(), corner(), noise(), ~ring(), np.zeros(SIZE, bool), np.ones(SIZE, bool)])
def test_runs_decode_to_the_same_pixels(mask: Mask) -> None:
    assert np.array_equal(decoded(annotation(mask)["segmentation"]), mask)  # as we write it
    assert np.array_equal(decoded({"size": list(SIZE), "counts": runs_of(mask)}), mask)


def test_large_runs_are_unpacked_like_the_library_does() -> None:
    mask = np.zeros((900, 1100), bool)
    mask[300:420, 200:900] = mask[10:12, 10:12] = True
    assert np.array_equal(decoded(annotation(mask)["segmentation"], mask.shape), mask)


def test_polygons_fill_their_outline() -> None:
    mask = decoded([[10, 5, 30, 5, 30, 25, 10, 25]])
    assert mask[5:25, 10:30].all() and mask.sum() == 20 * 20
    both = decoded([[10, 5, 30, 5, 30, 25, 10, 25], [40.5, 30.2, 50, 30, 45, 40]])
    assert both[5:25, 10:30].all() and both[32, 45] and both.sum() > 20 * 20 + 20


def test_rounding_past_the_edge_is_forgiven() -> None:
    mask = decoded([[-0.5, -0.5, 64.5, -0.5, 64.5, 48.5, -0.5, 48.5]])
    assert mask.all()


def _squeezed(mask: Mask) -> str:
    code: str = annotation(mask)["segmentation"]["counts"]
    return code


NAN, INF = float("nan"), float("inf")
BROKEN: dict[str, tuple[Any, str]] = {
    "none": (None, "no segmentation; draw the outline"),
    "no polygons": ([], "no segmentation"),
    "two points": ([[1, 1, 5, 5]], "a polygon of 2 points; draw at least 3"),
    "no points": ([[]], "a polygon of 0 points"),
    "half a point": ([[1, 1, 5, 5, 9]], "no list of x, y"),
    "words": ([["1", "1", "5", "5", "9", "9"]], "no list of x, y"),
    "points as pairs": ([[[1, 1], [5, 5], [9, 1]]], "no list of x, y"),
    "flat": ([1, 1, 5, 5, 9, 1], "no list of x, y"),
    "NaN": ([[1, 1, 5, NAN, 9, 1]], "no list of x, y"),
    "infinite": ([[1, 1, 5, INF, 9, 1]], "out of the picture"),
    "more digits than a float": ([[1, 1, 5, 10**400, 9, 1]], "no list of x, y"),
    "far out": ([[1, 1, 1e9, 1, 5, 5]], r"out of the picture at 1e\+09, 1 of 64 x 48"),
    "left of it": ([[-9, 1, 30, 1, 5, 5]], "out of the picture at -9, 1"),
    "swapped axes": ([[1, 60, 5, 60, 5, 63]], "out of the picture"),
    "second of two": ([[1, 1, 5, 5, 9, 1], [1, 1, 5, 5]], "a polygon of 2 points"),
    "other size": ({"size": [64, 48], "counts": [48 * 64]}, r"size \[64, 48\], its picture has \[48, 64\]"),
    "no size": ({"counts": [48 * 64]}, "size None"),
    "no counts": ({"size": [48, 64]}, "no list of lengths"),
    "too short": ({"size": [48, 64], "counts": [9, 9]}, "runs of 18 pixels for a picture of 3072; .*export it anew"),
    "too long": ({"size": [48, 64], "counts": [9, 5000]}, "runs of 5009 pixels"),
    "negative": ({"size": [48, 64], "counts": [-5, 3077]}, "no list of lengths"),
    "fractions": ({"size": [48, 64], "counts": [1.5, 3070.5]}, "no list of lengths"),
    "huge": ({"size": [48, 64], "counts": [2**40]}, "runs of"),
    "more digits than can be printed": ({"size": [48, 64], "counts": [int("9" * 4300)] * 2}, "no list of lengths"),
    "truncated code": ({"size": [48, 64], "counts": _squeezed(noise())[:-5]}, "runs of|no list of lengths"),
    "code without end": ({"size": [48, 64], "counts": "o" * 3000}, "no list of lengths"),
    "empty code": ({"size": [48, 64], "counts": ""}, "runs of 0 pixels"),
    "no code": ({"size": [48, 64], "counts": "é\u4e2d zzz~"}, "runs of|no list of lengths"),
    "code of another picture": (
        {"size": [48, 64], "counts": _squeezed(np.ones((50, 50), bool))},
        "runs of 2500 pixels for a picture of 3072",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_broken_never_reaches_the_decoder(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, words = BROKEN[fault]
    for name in ("decode", "frPyObjects", "merge"):
        monkeypatch.setattr(coco, name, None)
    with pytest.raises(BadInput, match=words) as error:
        parse_segmentation("annotation 7", raw, SIZE)
    assert one_line(error.value).startswith("annotation 7: ")


def test_soft_files_are_a_warning(tmp_path: Path) -> None:
    problems = Problems()
    write_image(tmp_path / "m.png", np.array([[0, 100, 160, 255]], np.uint8))
    assert MaskFile(tmp_path / "m.png").read(problems).tolist() == [[False, False, True, True]]
    (problem,) = problems.all()
    assert problem.severity == "warning" and problem.what.startswith("2 pixels are neither black nor white")
