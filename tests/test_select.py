"""Settling: which of the attempts that passed the data set takes, and what becomes of the others."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from defectgen.select import settle

ATTEMPTS = pd.DataFrame(
    [
        ("b", 0, "accepted", "", 2.0),
        ("b", 1, "accepted", "", 5.0),
        ("b", 2, "rejected", "filled", 9.0),
        ("a", 0, "accepted", "", 4.0),
        ("a", 1, "accepted", "", 3.0),
        ("a", 2, "accepted", "", 4.0),
        ("c", 0, "failed", "not finite", np.nan),
        ("c", 1, "accepted", "", 1.0),
        ("d", 0, "rejected", "empty", 0.0),
    ],
    columns=["plan_id", "attempt", "status", "reason", "change"],
)
BEST = {("a", 0), ("b", 1), ("c", 1)}  # of equals the first


def none(rows: pd.DataFrame) -> Sequence[bool]:
    return [False] * len(rows)


def used(settled: pd.DataFrame) -> set[tuple[str, int]]:
    mine = settled[settled["status"] == "accepted"]
    return set(zip(mine["plan_id"], mine["attempt"], strict=True))


def reasons(settled: pd.DataFrame, status: str) -> dict[tuple[str, int], str]:
    mine = settled[settled["status"] == status]
    return dict(zip(zip(mine["plan_id"], mine["attempt"], strict=True), mine["reason"], strict=True))


def test_of_those_that_passed_the_one_that_changed_most_is_taken_and_the_others_are_outdone() -> None:
    settled = settle(ATTEMPTS, none)
    assert used(settled) == BEST
    outdone = {("a", 1): "outdone", ("a", 2): "outdone", ("b", 0): "outdone"}
    assert reasons(settled, "rejected") == outdone | {("b", 2): "filled", ("d", 0): "empty"}
    assert reasons(settled, "failed") == {("c", 0): "not finite"}


def test_repeats_are_looked_for_among_the_taken_in_plan_order_and_are_not_used() -> None:
    asked: list[list[str]] = []

    def second(rows: pd.DataFrame) -> Sequence[bool]:
        asked.append(list(rows["plan_id"]))
        return [False, True, False]

    settled = settle(ATTEMPTS, second)
    assert asked == [["a", "b", "c"]]
    assert used(settled) == BEST - {("b", 1)}
    assert reasons(settled, "rejected")["b", 1] == "duplicate"
    assert reasons(settled, "rejected")["b", 0] == "outdone"


@pytest.mark.parametrize("repeats", [none, lambda rows: [True] * len(rows)])
def test_every_attempt_is_still_there_and_all_else_about_it_as_it_was(repeats: Callable) -> None:
    before = ATTEMPTS.copy()
    settled = settle(ATTEMPTS, repeats)
    pd.testing.assert_frame_equal(ATTEMPTS, before)
    same = ["plan_id", "attempt", "change"]
    pd.testing.assert_frame_equal(settled[same], before[same])
    assert ((settled["reason"] == "") == (settled["status"] == "accepted")).all()


def test_shards_that_number_their_rows_alike_do_not_mix() -> None:
    shards = [part.reset_index(drop=True) for _, part in ATTEMPTS.groupby("plan_id")]
    settled = settle(pd.concat(shards), lambda rows: rows["plan_id"] == "c")
    assert used(settled) == BEST - {("c", 1)}
    assert len(settled) == len(ATTEMPTS)


def test_where_nothing_passed_nothing_is_taken() -> None:
    settled = settle(ATTEMPTS[ATTEMPTS["status"] != "accepted"], none)
    assert used(settled) == set()
    assert list(settled["reason"]) == ["filled", "not finite", "empty"]
