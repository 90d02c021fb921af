"""Readings: counts are those of the pixels, files come back as they were, and damage is told in one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_readings import map_reading, random_maps

from defectgen.errors import UserError
from defectgen.utility.readings import load, read, save
from defectgen.utility.types import THRESHOLDS, Prediction, Reading


def test_counts_are_those_of_the_pixels() -> None:
    pictures, prediction = random_maps(0)
    counts = read(pictures, prediction).counts
    assert counts is not None and prediction.maps is not None
    for number in (0, 3, 5):
        for label, at in ((0, 0), (0, 20), (1, 7), (2, 30), (3, 63)):
            classes, probability = pictures[number].classes, prediction.maps[number, label]
            truth = classes == label if label else classes > 0
            called = (probability if label else 1 - probability) >= THRESHOLDS[at]
            assert counts.positives[number, label] == truth.sum()
            assert counts.calls[number, label, at] == called.sum()
            assert counts.hits[number, label, at] == (called & truth).sum()
    assert (counts.total == 24 * 24).all()


def test_a_probability_on_a_threshold_reaches_it() -> None:
    pictures, prediction = random_maps(0)
    assert prediction.maps is not None
    even = np.zeros_like(prediction.maps)
    even[:, 1] = THRESHOLDS[10]
    counts = read(pictures, Prediction(maps=even)).counts
    assert counts is not None
    assert (counts.calls[:, 1, 10] == 24 * 24).all() and not counts.calls[:, 1, 11].any()
    assert (counts.calls[:, 0] == 24 * 24).all(), "without any p(good), every pixel is a defect at every threshold"


@pytest.mark.parametrize("keeps", ["both", "scores", "counts"])
def test_a_file_comes_back_as_it_was(tmp_path: Path, keeps: str) -> None:
    reading = map_reading(1)
    if keeps != "both":
        reading = replace(reading, **{"scores": {"counts": None}, "counts": {"scores": None}}[keeps])
    save(tmp_path / "of" / "arm.npz", reading)
    back = load(tmp_path / "of" / "arm.npz")
    assert (back.picture_ids, back.groups) == (reading.picture_ids, reading.groups)
    np.testing.assert_array_equal(back.truth, reading.truth)
    np.testing.assert_equal(back.scores, reading.scores)
    assert (back.counts is None) == (reading.counts is None)
    if reading.counts is not None and back.counts is not None:
        np.testing.assert_equal(vars(back.counts), vars(reading.counts))
    assert [file.name for file in (tmp_path / "of").iterdir()] == ["arm.npz"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"scores": np.zeros((2, 2), np.float32)}, r"scores are \(2, 2\); they must be \(6, 4\)"),
        ({"scores": np.full((6, 4), np.nan, np.float32)}, "no probabilities"),
        ({"maps": np.full((6, 4, 24, 24), 1.5, np.float32)}, "no probabilities"),
        ({"maps": np.zeros((6, 4, 12, 12), np.float32)}, "maps are"),
    ],
)
def test_a_prediction_that_is_none_is_refused(fault: dict[str, np.ndarray], words: str) -> None:
    pictures, prediction = random_maps(0)
    with pytest.raises(UserError, match=words):
        read(pictures, replace(prediction, **fault))


def rewrite(path: Path, **changes: np.ndarray | None) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"truth": None}, "holds no truth"),
        ({"truth": np.zeros((6, 4))}, "truth is float64"),
        ({"scores": np.zeros((6, 3))}, "scores is"),
        ({"scores": np.full((6, 4), np.nan)}, "no probabilities"),
        ({"groups": np.array(["a"])}, "groups is"),
        ({"hits": None}, "not what was written"),
        ({"hits": np.full((6, 4, len(THRESHOLDS)), 600)}, "contradict"),
        ({"thresholds": THRESHOLDS[:-1]}, "other thresholds"),
        ({"picture_ids": np.array([object()] * 6)}, "cannot be read"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, changes: dict, words: str) -> None:
    path = tmp_path / "arm.npz"
    save(path, map_reading(1))
    rewrite(path, **changes)
    with pytest.raises(UserError, match=words) as told:
        load(path)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_half_a_file_and_none_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "arm.npz"
    with pytest.raises(UserError, match="cannot be read"):
        load(path)
    save(path, map_reading(1))
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="cannot be read"):
            load(path)


def test_a_flipped_byte_is_told_or_changes_nothing(tmp_path: Path) -> None:
    path, reading = tmp_path / "arm.npz", map_reading(1)
    save(path, reading)
    whole = path.read_bytes()
    told = 0
    for at in range(0, len(whole), 29):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        try:
            back = load(path)
        except UserError:
            told += 1
        else:
            np.testing.assert_equal(plain(back), plain(reading))
    assert told > 100


def plain(reading: Reading) -> dict[str, object]:
    return vars(reading) | {"counts": reading.counts and vars(reading.counts)}
