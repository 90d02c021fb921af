"""Calibration: limits follow from real defects, a class with few leans on others, and a resumed run has the same."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cases import Knowing, control, defect, evidence
from small import one_line

from defectgen.errors import UserError
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import (
    Agreement,
    Calibration,
    Contrast,
    Evidence,
    Extent,
    Filled,
    Gate,
    Legal,
    Seam,
    Spilled,
    calibrate,
)

CASE = defect()


class Told(Gate):
    """Knows the score of every group."""

    reason = "told"

    def __init__(self, scores: dict[str, float], limit: float | None = None) -> None:
        super().__init__(limit)
        self.scores = scores

    def score(self, drawn: Drawn) -> float:
        return self.scores[drawn.group]


def told(scores: Sequence[tuple[str, float]], limit: float | None = None) -> Calibration:
    """Calibrated on real defects of which each is of a class, has a score and a group of its own."""
    real = [replace(CASE, label_name=label, group=str(number)) for number, (label, _) in enumerate(scores)]
    gate = Told({str(number): score for number, (_, score) in enumerate(scores)}, limit)
    return calibrate([gate], Evidence(real, [], real, Knowing()))


def test_a_class_with_many_has_its_own_limit_one_with_few_leans_on_the_others() -> None:
    many = told([("pit", 0.5 + n / 2000) for n in range(900)] + [("crack", n / 1000) for n in range(100)])
    assert many.limit("told", "pit") >= 0.5
    few = told([("pit", 0.9), ("pit", 0.8)] + [("crack", n / 1000) for n in range(100)])
    assert few.limit("told", "pit") < 0.1


def test_a_class_without_real_defects_has_the_pooled_limit() -> None:
    known = told([("pit", n / 100) for n in range(100)])
    assert known.limit("told", "dent") == known.limit("told", "") == 0.01  # of a hundred, one is below


def test_a_limit_by_hand_holds_for_all() -> None:
    known = told([("pit", 0.5), ("crack", 0.6)], limit=0.55)
    assert set(known.table()["limit"]) == {0.55}
    passed = known.table().set_index("label")["real_passed"]
    assert passed["pit"] == 0
    assert passed["crack"] == 1
    assert passed[""] == 0.5


def test_the_share_of_real_ones_that_pass_is_not_judged_by_themselves() -> None:
    """The worst of five passes the limit that it sets; one that had never seen it would have rejected it."""
    row = told([("pit", score) for score in (0.1, 0.5, 0.6, 0.7, 0.8)]).table().iloc[0]
    assert row["limit"] == 0.1
    assert row["real"] == 5
    assert row["real_passed"] == 0.8


def test_exactly_the_limit_passes() -> None:
    known = told([("pit", 0.3)], limit=0.3)
    assert known.judge(replace(CASE, group="0")) == ({"told": 0.3}, [])


def test_a_score_that_is_no_number_is_rejected() -> None:
    known = told([("pit", np.nan)], limit=0.3)
    assert known.judge(replace(CASE, group="0"))[1] == ["told"]


def test_without_real_defects_there_is_nothing_to_calibrate_on() -> None:
    with pytest.raises(UserError) as raised:
        calibrate([Filled()], evidence(real=[]))
    assert "ingest" in one_line(raised.value)


def test_real_defects_without_a_label_open_no_gate() -> None:
    """Healing did not change them; a drawn one like them is rejected as empty, before any gate."""
    invisible = [defect(60 + n, label=np.zeros_like(CASE.label)) for n in range(8)]
    known = evidence()
    more = calibrate([Extent(), Contrast()], replace(known, real=[*known.real, *invisible]))
    assert more.table().equals(calibrate([Extent(), Contrast()], known).table())


def test_defects_of_a_single_part_reject_nothing_by_what_is_usual() -> None:
    only = [replace(defect(seed), group="one") for seed in range(4)]
    calibrated = calibrate([Contrast(), Extent()], evidence(only))
    assert calibrated.judge(defect(9, depth=90))[1] == []


def test_a_resumed_run_judges_the_same_and_the_gates_given_stay_as_they_were(tmp_path: Path) -> None:
    gates = [Filled(), Spilled(), Contrast(), Seam(), Extent(), Legal(), Agreement()]
    calibrate(gates, evidence()).save(tmp_path / "gates.parquet")
    assert all(vars(gate) == {"limit": None} for gate in gates)
    again, first = calibrate(gates, evidence()), calibrate(gates, evidence())
    assert first.table().equals(again.table()) and first.table().equals(pd.read_parquet(tmp_path / "gates.parquet"))
    for case in (defect(50), defect(51, 15), control(52)):
        assert first.judge(case) == again.judge(case)


def test_real_ones_pass_and_controls_do_not() -> None:
    """By leave-one-group-out, at least nine in ten of the real ones in each gate; of the controls next to none."""
    table = calibrate([Filled(), Contrast(), Extent(), Agreement()], evidence()).table()
    pooled = table[table["label"] == ""].set_index("gate")
    assert (pooled["real_passed"] >= 0.85).all()
    assert pooled.loc["filled", "controls_passed"] <= 0.025
    assert pooled["real"].eq(30).all()
    assert pooled["controls"].eq(40).all()
    assert not np.isnan(pooled["limit"]).any()
