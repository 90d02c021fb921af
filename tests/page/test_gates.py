"""The page's gates: how strict each is for the run's classes, and how often it fired, against a table made by hand."""

import numpy as np
import pandas as pd
import pytest

from defectgen.page.gates import gate_facts, silent
from defectgen.quality.gates import Limit

LABELS = ["crack", "pit", "unseen"]  # of "unseen" no real defect is known
CALIBRATION = pd.DataFrame(
    [
        Limit("spilled", "crack", 0.5, 4, 1.0, 0, np.nan),
        Limit("spilled", "pit", 0.7, 6, 0.5, 0, np.nan),
        Limit("spilled", "", 0.6, 10, 0.7, 0, np.nan),
        Limit("filled", "crack", 0.2, 4, 1.0, 5, 0.0),
        Limit("filled", "pit", 0.1, 6, 1.0, 15, 0.2),
        Limit("filled", "", 0.4, 10, 1.0, 20, 0.15),
        Limit("seam", "", -3.0, 0, np.nan, 20, 1.0),
    ]
)
ATTEMPTS = pd.DataFrame(
    [
        ("crack", 0.55, 0.9, np.nan),
        ("crack", 0.45, 0.9, np.nan),
        ("pit", 0.65, 0.1, -1.0),  # on the limit of "filled": it passes
        ("pit", 0.75, 0.9, -2.0),
        ("unseen", 0.55, 0.5, np.nan),
        ("unseen", np.nan, np.nan, np.nan),  # empty, so that no gate was asked
    ],
    columns=["label", "score_spilled", "score_filled", "score_seam"],
)
SPILLED, FILLED, SEAM = gate_facts(CALIBRATION, ATTEMPTS, LABELS)


def test_gates_come_in_their_order() -> None:
    assert [gate.reason for gate in (SPILLED, FILLED, SEAM)] == ["spilled", "filled", "seam"]


def test_every_class_is_held_to_its_own_limit_and_one_without_real_defects_to_the_pooled() -> None:
    assert SPILLED.by_class == {"crack": 0.5, "pit": 0.5, "unseen": 1.0}
    assert (SPILLED.scored, SPILLED.fired) == (5, 3)


def test_limits_are_those_of_the_runs_classes() -> None:
    assert (SPILLED.lowest, SPILLED.highest) == (0.5, 0.7)
    assert (FILLED.lowest, FILLED.highest) == (0.1, 0.4)  # the pooled one counts for "unseen"
    (alone, *_) = gate_facts(CALIBRATION, ATTEMPTS, ["pit"])
    assert (alone.lowest, alone.highest) == (0.7, 0.7)


def test_the_grounds_are_those_of_all_classes_and_none_is_no_share() -> None:
    assert (SPILLED.real, SPILLED.real_passed, SPILLED.controls_passed) == (10, 0.7, None)
    assert (FILLED.real, FILLED.real_passed, FILLED.controls_passed) == (10, 1.0, 0.15)
    assert (SEAM.real, SEAM.real_passed, SEAM.controls_passed) == (0, None, 1.0)


def test_a_gate_that_was_not_asked_about_a_class_says_nothing_of_it() -> None:
    assert SEAM.scored == 2
    assert SEAM.by_class == {"pit": 0.0}


def test_a_gate_that_never_fired_is_named() -> None:
    assert silent([SPILLED, FILLED, SEAM]) == ["filled", "seam"]
    unfilled = ATTEMPTS.assign(score_filled=0.0)
    assert silent(gate_facts(CALIBRATION, unfilled, LABELS)) == ["seam"]


@pytest.mark.parametrize("attempts", [ATTEMPTS[["label"]], ATTEMPTS.iloc[:0]], ids=["no score", "no attempt"])
def test_a_gate_that_was_never_asked_never_fired(attempts: pd.DataFrame) -> None:
    gates = gate_facts(CALIBRATION, attempts, LABELS)
    assert [(gate.scored, gate.fired, gate.by_class) for gate in gates] == [(0, 0, {})] * 3
    assert silent(gates) == ["spilled", "filled", "seam"]


def test_it_says_what_it_demands() -> None:
    assert SPILLED.meaning == "The defect must stay where it was planned"
