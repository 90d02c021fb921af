"""Figures say what was planted, of drawn and of real defects by the same rules."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from defectgen.evidence import Bar
from defectgen.imaging.label import Noise
from defectgen.learn.critic import CrossFitted
from defectgen.nn.classifier import Classifier
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import Calibration, Copied, Limit
from defectgen.spec import DataSpec
from defectgen.sweep.figures import AMONG_REAL, DIVERSITY, TEXTURE, differs, figures, likeness
from defectgen.sweep.sample import Sample
from defectgen.sweep.yardstick import Yardstick

SIDE = 64
REGION = np.zeros((SIDE, SIDE), bool)
REGION[20:40, 20:40] = True


class Oracle(CrossFitted):
    """Calls a bright patch a pit and any other a scratch."""

    def predict(self, patches: NDArray[np.float32], groups: Sequence[str] | None = None) -> NDArray[np.float32]:
        bright = patches[:, 0][:, REGION].mean(axis=1) > 0
        return np.stack([0 * bright, bright, ~bright], axis=1).astype(np.float32)


class Brightness(Copied):
    """Takes white for a copy."""

    def score(self, drawn: Drawn) -> float:
        return -float(drawn.result[REGION].mean())


def texture(number: int, contrast: float) -> NDArray[np.uint8]:
    noise = np.random.default_rng(number).normal(0, contrast, (SIDE, SIDE))
    return np.clip(128 + noise, 1, 254).astype(np.uint8)


def sample(label: str, value: int | None, number: int = 0) -> Sample:
    """A ground on which a square was set to a grey value, or nothing was."""
    clean = texture(number, 4)
    result = clean.copy()
    if value is not None:
        result[REGION] = value
    drawn = REGION if value is not None else ~REGION & REGION
    seen = Drawn(label, "part", clean, result, REGION, drawn, np.where(drawn, 3.0, 0.0), REGION, REGION | True)
    return Sample(seen, seen.patch(SIDE), REGION)


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    spec = DataSpec(1, ["good", "pit", "scratch"], 0.5, SIDE)
    limits = [Limit("copied", "", -250.0, 1, 1.0, 0, np.nan)]
    bar = Bar(Noise([1.0, 1.0], [2.0, 2.0]), Calibration([Brightness()], limits))
    training = {"pit": np.stack([sample("pit", 200, number).picture for number in range(12)])}
    return Yardstick(bar, Oracle([Classifier(spec)], {}, spec, ""), [], training, [])


def test_shares_count_what_was_planted(yardstick: Yardstick) -> None:
    """Grey as planned, black of the wrong class, white that a gate takes for a copy, and one on which nothing is."""
    samples = [sample("pit", 200), sample("pit", 0), sample("pit", 255), sample("scratch", None)]
    found = figures(samples, 5, yardstick)
    assert found["saturation"] == pytest.approx(2 / 4)
    assert found["passed"] == 2 / 5, "neither the copy, nor the empty one, nor the one that was not finite"
    assert found["copied"] == pytest.approx(1 / 3), "of the empty one no gate is asked"
    assert found["fill"] == 3.0 and np.isnan(found["seam"]), "there is no gate that tells a seam"
    recognised = [True, False, True, texture(0, 4)[REGION].mean() <= 127.5]
    assert found["agreement"] == np.mean(recognised)


def test_of_nothing_every_figure_is_unknown(yardstick: Yardstick) -> None:
    assert all(np.isnan(value) for value in figures([], 0, yardstick).values())
    assert all(np.isnan(value) for value in likeness([], yardstick, 0).values())


def test_defects_of_another_texture_are_farther_than_real_ones_and_repetitions_less_diverse(
    yardstick: Yardstick,
) -> None:
    alike = likeness([sample("pit", 200, 100 + number) for number in range(12)], yardstick, 0)
    other = likeness([sample("pit", 60, 100 + number) for number in range(12)], yardstick, 0)
    same = likeness([sample("pit", 200, 100)] * 12, yardstick, 0)
    assert other[TEXTURE] > alike[TEXTURE] + 1
    assert alike[AMONG_REAL[TEXTURE]] == other[AMONG_REAL[TEXTURE]], "the same real ones, the same draws"
    assert same[DIVERSITY] == 0 and alike[DIVERSITY] == pytest.approx(alike[AMONG_REAL[DIVERSITY]], rel=0.2)


def test_a_difference_counts_where_it_exceeds_the_noise_between_seeds() -> None:
    steady, noisy = pd.Series([1.0, 1.1, 0.9]), pd.Series([1.0, 3.0, -1.0])
    assert differs(steady, steady + 1) and not differs(steady, steady)
    assert not differs(noisy, noisy + 1), "what another seed would have brought too"
    assert differs(pd.Series([6, 6, 6]), pd.Series([12, 12, 12])) and not differs(pd.Series([6]), pd.Series([12]))
