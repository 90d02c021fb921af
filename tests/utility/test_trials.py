"""Trainings that are kept: what was done is not done again, what was lost is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pictures import REAL, SPEC, some

from defectgen.errors import UserError
from defectgen.spec import DataSpec
from defectgen.utility import trials as module
from defectgen.utility.arms import Arm
from defectgen.utility.detector import Detector, Stream, Trained
from defectgen.utility.trials import Trial, Trials
from defectgen.utility.types import Picture, Prediction
from tests.small import one_line

PLAIN = Arm("augmented", "nothing is added", True, [], [])
SHOWN = {"val": some(5, 1), "test": some(7, 2)}


class Bright(Detector):
    """Calls bright what is bright, and counts its trainings."""

    def __init__(self) -> None:
        self.trainings = 0
        self.most = 0

    def train(self, stream: Stream, spec: DataSpec, seed: int, folder: Path) -> Trained:
        self.trainings += 1
        return Looking(self)


class Looking(Trained):
    def __init__(self, detector: Bright) -> None:
        self.detector = detector

    def predict(self, pictures: Sequence[Picture]) -> Prediction:
        self.detector.most = max(self.detector.most, len(pictures))
        bright = np.stack([(picture.pixels[0] + 1) / 2 for picture in pictures])
        maps = np.stack([1 - bright, bright / 2, bright / 2], axis=1).astype(np.float32)
        return Prediction(maps.mean(axis=(2, 3)), maps)


def trial(out: Path, detector: Detector) -> Trial:
    return Trials(out, SPEC, REAL, SHOWN, 0).trial(PLAIN, 0.0, "0", detector, list(SHOWN))


@pytest.mark.parametrize("name", ["val.npz", "test.npz", "done.json"])
def test_what_is_lost_is_trained_again(tmp_path: Path, name: str) -> None:
    detector = Bright()
    first = trial(tmp_path, detector)
    next(tmp_path.rglob(name)).unlink()
    again = trial(tmp_path, detector)
    assert detector.trainings == 2
    np.testing.assert_array_equal(again.readings["test"].scores, first.readings["test"].scores)
    trial(tmp_path, detector)
    assert detector.trainings == 2


def test_the_time_of_all_trainings_is_told_also_by_a_later_start(tmp_path: Path) -> None:
    first, later = (Trials(tmp_path, SPEC, REAL, SHOWN, 0) for _ in range(2))
    told = [first.trial(PLAIN, 0.0, name, Bright(), ["val"]).seconds for name in ("choice", "0", "1")]
    for name in ("choice", "0", "1", "1"):
        later.trial(PLAIN, 0.0, name, Bright(), ["val"])
    assert first.seconds == later.seconds == sum(told) and min(told) > 0


@pytest.mark.parametrize("name", ["test.npz", "done.json"])
def test_what_is_damaged_is_named_and_can_be_deleted(tmp_path: Path, name: str) -> None:
    detector = Bright()
    trial(tmp_path, detector)
    damaged = next(tmp_path.rglob(name))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(UserError) as raised:
        trial(tmp_path, detector)
    assert str(damaged) in one_line(raised.value) and "delete" in str(raised.value)
    damaged.unlink()
    trial(tmp_path, detector)


def test_the_maps_of_many_pictures_are_never_in_memory_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, few = Bright(), Bright()
    expected = trial(tmp_path / "whole", whole)
    monkeypatch.setattr(module, "NUMBERS", 2 * len(SPEC.classes) * SPEC.size**2)
    found = trial(tmp_path / "few", few)
    assert whole.most == 7 and few.most == 2
    for name, reading in expected.readings.items():
        other = found.readings[name]
        assert (other.picture_ids, other.groups) == (reading.picture_ids, reading.groups)
        np.testing.assert_array_equal(other.scores, reading.scores)
        assert reading.counts and other.counts
        for part, values in vars(reading.counts).items():
            np.testing.assert_array_equal(getattr(other.counts, part), values)
