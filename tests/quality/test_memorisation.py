"""Memorisation: a generator that repeats is told from one that does not, and the control shows that it would be."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from textured import defect

from defectgen.quality.memorisation import BLENDED, GENERATED, HELD_OUT, PASTED, TRAINING, CopyRate, memorisation
from defectgen.quality.planted import planted

TRAINED = [defect(seed) for seed in range(6)]
HELD = [defect(seed) for seed in range(20, 24)]
CLEAN = [defect(seed) for seed in range(30, 32)]


@pytest.fixture(autouse=True)
def _few_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defectgen.quality.memorisation.PLANTED", 3)


def test_the_interval_is_wilsons() -> None:
    rate = CopyRate.counted("x", [0.9] * 3 + [0.1] * 17, 0.5)
    theirs = binomtest(3, 20).proportion_ci(method="wilson")
    assert (rate.copies, rate.count, rate.rate) == (3, 20, 0.15)
    assert (rate.low, rate.high) == pytest.approx((theirs.low, theirs.high))


def test_copies_are_counted_beside_what_real_defects_give() -> None:
    fresh = [defect(seed) for seed in range(40, 43)]
    copies = [planted(TRAINED[n], CLEAN[0].clean, n % 2 == 0, np.random.default_rng(n)) for n in (4, 5)]
    found = memorisation(TRAINED, HELD, [*fresh, *copies], CLEAN, 0)
    rates = {rate.of: rate for rate in found.rates}
    assert list(rates) == [GENERATED, HELD_OUT, TRAINING, PASTED, BLENDED]
    assert rates[GENERATED].copies >= 2
    assert {(pair.number, pair.nearest) for pair in found.pairs[:2]} == {(3, 4), (4, 5)}
    assert [pair.score for pair in found.pairs] == sorted((pair.score for pair in found.pairs), reverse=True)
    assert rates[HELD_OUT].rate <= 0.5
    assert rates[TRAINING].copies == 0
    assert rates[PASTED].rate == rates[BLENDED].rate == 1
    assert [(rate.of, rate.count) for rate in found.caught] == [("pit", 6)]
    assert found.leaks == []
    assert found.metrics()["copies/planted_blended"] == 1
    assert json.loads(json.dumps(found.figures()))["rates"][0]["copies"] == rates[GENERATED].copies


def test_a_held_out_part_that_is_in_training_is_told_apart() -> None:
    leaked = planted(TRAINED[3], CLEAN[0].clean, False, np.random.default_rng(0))
    found = memorisation(TRAINED, [*HELD, leaked], [], CLEAN, 0)
    assert [(pair.number, pair.nearest) for pair in found.leaks] == [(4, 3)]
    assert found.rates[0].of == HELD_OUT
    assert "copies/generated" not in found.metrics()
