"""The detectors: what they learn, what decides their predictions, what an example without a class teaches them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule
from pictures import REAL, SPEC, picture, some
from sklearn.metrics import average_precision_score

from defectgen.errors import UserError
from defectgen.utility.classifier import ImageClassifier
from defectgen.utility.detector import Detector, Stream, Trained
from defectgen.utility.draws import Draws, Example
from defectgen.utility.network import CHUNK, NetworkDetector
from defectgen.utility.segmenter import PixelSegmenter
from defectgen.utility.types import Picture, Prediction

SHORT = {"steps": 3, "batch": 4, "width": 8}
BOTH = [ImageClassifier(**SHORT), PixelSegmenter(**SHORT)]
UNSEEN = [picture(5000), picture(5001, 1), picture(5002, 2), *some(12, first=6000), *some(12, 1, first=7000)]


def stream_of(pictures: Sequence[Picture], seed: int = 3) -> Stream:
    return lambda length: Draws(pictures, [], [], False, SPEC.flips, 0.0, length, seed)


def trained(detector: Detector, folder: Path, seed: int = 0, pictures: Sequence[Picture] = REAL) -> Trained:
    return detector.train(stream_of(pictures), SPEC, seed, folder)


def told(prediction: Prediction) -> np.ndarray:
    """Scores or maps, whichever there are."""
    assert (prediction.scores is None) != (prediction.maps is None)
    return prediction.scores if prediction.maps is None else prediction.maps


def names(detector: Detector) -> str:
    return detector.name


def test_the_classifier_tells_bright_squares_from_dark_ones(tmp_path: Path) -> None:
    detector = ImageClassifier(steps=60, batch=12, learning_rate=5e-3, width=8)
    scores = trained(detector, tmp_path).predict(UNSEEN).scores
    assert scores is not None and scores.shape == (len(UNSEEN), 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert np.mean(scores.argmax(axis=1) == [p.named.argmax() for p in UNSEEN]) > 0.9


def test_the_segmenter_tells_their_pixels(tmp_path: Path) -> None:
    detector = PixelSegmenter(steps=60, batch=8, learning_rate=5e-3, width=8)
    maps = trained(detector, tmp_path).predict(UNSEEN).maps
    assert maps is not None and maps.shape == (len(UNSEEN), 3, 64, 64) and maps.dtype == np.float32
    np.testing.assert_allclose(maps.sum(axis=1), 1, rtol=1e-4)
    truth = np.stack([p.classes for p in UNSEEN])
    for label in range(3):
        assert average_precision_score((truth == label).ravel(), maps[:, label].ravel()) > 0.9


@pytest.mark.parametrize("detector", BOTH, ids=names)
def test_equal_arguments_give_equal_predictions_bit_for_bit(detector: Detector, tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = told(trained(detector, tmp_path / "one").predict(UNSEEN))
    torch.manual_seed(2)  # the global state must not matter
    state = torch.get_rng_state()
    two = told(trained(detector, tmp_path / "two").predict(UNSEEN))
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(one, two)
    assert not np.array_equal(one, told(trained(detector, tmp_path / "three", seed=1).predict(UNSEEN)))


@pytest.mark.parametrize("detector", BOTH, ids=names)
def test_a_killed_training_ends_with_the_same_predictions(
    detector: NetworkDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = told(trained(detector, tmp_path / "undisturbed").predict(UNSEEN))
    loss, seen = type(detector).loss, list[int]()

    def killed(self: NetworkDetector, network: torch.nn.Module, batch: Example) -> torch.Tensor:
        if len(seen) == 2:
            raise RuntimeError("killed")
        seen.append(1)
        return loss(self, network, batch)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr(type(detector), "loss", killed)
        trained(detector, tmp_path / "killed")
    taken = count_steps(monkeypatch)
    assert np.array_equal(told(trained(detector, tmp_path / "killed").predict(UNSEEN)), undisturbed)
    assert len(taken) == 1  # of three


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every optimiser step from now on."""
    taken: list[int] = []
    step = LightningModule.optimizer_step

    def counted(self: LightningModule, *arguments: Any, **keywords: Any) -> None:
        taken.append(1)
        step(self, *arguments, **keywords)

    monkeypatch.setattr(LightningModule, "optimizer_step", counted)
    return taken


@pytest.mark.parametrize("detector", BOTH, ids=names)
def test_every_arm_takes_the_steps_of_the_settings(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = count_steps(monkeypatch)
    for number, pictures in enumerate((REAL, [*REAL, *some(30, 1, first=900)])):
        taken.clear()
        trained(detector, tmp_path / str(number), pictures=pictures)
        assert len(taken) == 3


@pytest.mark.parametrize("detector", BOTH, ids=names)
def test_a_prediction_does_not_depend_on_what_is_looked_at_beside(detector: Detector, tmp_path: Path) -> None:
    finished = trained(detector, tmp_path)
    pictures = some(CHUNK + 3, 1, first=8000)
    together = told(finished.predict(pictures))
    assert len(together) == CHUNK + 3
    for number in (0, CHUNK - 1, CHUNK, CHUNK + 2):
        np.testing.assert_allclose(told(finished.predict([pictures[number]]))[0], together[number], atol=1e-5)


@pytest.mark.parametrize(("size", "better"), [(48, 64), (150, 144), (528, 512)])
def test_a_size_the_networks_are_not_made_for_is_refused(size: int, better: int, tmp_path: Path) -> None:
    spec = SPEC.__class__(1, SPEC.classes, 0.3, size)
    with pytest.raises(UserError, match=f"{size} px.*use {better}$"):
        ImageClassifier(**SHORT).train(stream_of(REAL), spec, 0, tmp_path)


class BrighterThanUsual(Detector):
    """A user's own: knows no torch."""

    def __init__(self, examples: int = 40) -> None:
        self.examples = examples

    def train(self, stream: Stream, spec: Any, seed: int, folder: Path) -> Trained:
        examples = stream(self.examples)
        brightest = [
            float(examples[index]["pixels"].max()) for index in range(len(examples)) if examples[index]["named"][0]
        ]
        return _Threshold(max(brightest))


class _Threshold(Trained):
    def __init__(self, limit: float) -> None:
        self.limit = limit

    def predict(self, pictures: Sequence[Picture]) -> Prediction:
        bright = np.array([picture.pixels.max() > self.limit for picture in pictures])
        return Prediction(scores=np.eye(3, dtype=np.float32)[bright.astype(int)])


def test_a_detector_of_one_s_own_needs_nothing_but_train(tmp_path: Path) -> None:
    detector = BrighterThanUsual()
    assert detector.name == "BrighterThanUsual"
    scores = trained(detector, tmp_path).predict([picture(1), picture(2, 1)]).scores
    assert scores is not None and scores.argmax(axis=1).tolist() == [0, 1]
