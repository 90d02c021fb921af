"""The sheet of worst mistakes shows the pictures called wrongly, the least believed first, and no others."""

import numpy as np
import pytest

from defectgen.imaging.sheet import Rgb
from defectgen.utility import mistakes
from defectgen.utility.mistakes import CAPTION, CELL, worst
from defectgen.utility.types import Picture, Reading

CLASSES = ["good", "crack", "dent"]


def reading(truth: list[int], scores: list[list[float]]) -> Reading:
    ids = [f"p{number}" for number in range(len(truth))]
    return Reading(ids, ids, np.eye(3, dtype=bool)[truth], np.array(scores, np.float32), None)


def pictures(count: int) -> dict[str, Picture]:
    """Each of its own brightness, by which it is found in the sheet."""
    made = {}
    for number in range(count):
        pixels = np.full((1, 16, 16), -1 + 0.2 * number, np.float32)
        named = np.array([True, False, False])
        made[f"p{number}"] = Picture(f"p{number}", "g", pixels, np.zeros((16, 16), np.uint8), named)
    return made


def shown(sheet: Rgb, row: int) -> list[int]:
    """The numbers of the pictures in a row of the sheet, by their brightness."""
    step = CELL + CAPTION + 2
    corners = [sheet[row * step + 50, 110 + column * step + 50, 0] for column in range((sheet.shape[1] - 110) // step)]
    return [round(int(value) / 25.5) for value in corners if value < 255]


def test_rows_are_true_classes_and_the_least_believed_comes_first() -> None:
    scores = [[0.4, 0.6, 0.0], [0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.2, 0.0, 0.8], [0.7, 0.3, 0.0]]
    sheet = worst([(reading([0, 0, 0, 1, 1], scores), 0.5)], pictures(5), CLASSES)
    assert shown(sheet, 0) == [1, 0] and shown(sheet, 1) == [3, 4]
    assert sheet.shape[0] == 2 * (CELL + CAPTION + 2)  # no row for dents: none is called wrongly


def test_the_decision_makes_the_call() -> None:
    scores = [[0.7, 0.3, 0.0]]
    assert shown(worst([(reading([1], scores), 0.2)], pictures(1), CLASSES), 0) == []
    assert shown(worst([(reading([1], scores), 0.5)], pictures(1), CLASSES), 0) == [0]


def test_a_picture_wrong_for_one_seed_of_several_is_shown_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    tile = mistakes._tile
    monkeypatch.setattr(mistakes, "_tile", lambda picture, caption: told.append(caption) or tile(picture, caption))
    right, wrong = [[0.0, 0.9, 0.1]], [[0.0, 0.2, 0.8]]
    said = [(reading([1], scores), 0.5) for scores in (right, wrong, right)]
    assert shown(worst(said, pictures(1), CLASSES), 0) == [0]
    assert told == ["called dent, 1 of 3"]


def test_a_row_holds_so_many_and_no_more() -> None:
    said = reading([0] * 5, [[0.4 - 0.05 * number, 0.6 + 0.05 * number, 0.0] for number in range(5)])
    assert shown(worst([(said, 0.5)], pictures(5), CLASSES, each=2), 0) == [4, 3]


def test_without_mistakes_there_still_is_a_sheet() -> None:
    assert worst([(reading([0], [[1.0, 0.0, 0.0]]), 0.5)], pictures(1), CLASSES).size
