"""The verdict: by its definition, in words, and from file to file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from defectgen.errors import UserError
from defectgen.utility.bootstrap import COLUMNS
from defectgen.utility.verdict import VERDICT, Effect, Verdict, load, not_measured, of_differences, verdict


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.11, "helps"),
        (0.001, 0.019, "helps"),  # surely better, if by little
        (-0.11, -0.01, "hurts"),
        (-0.019, -0.001, "hurts"),
        (-0.02, 0.02, "no difference"),
        (0.0, 0.02, "no difference"),
        (0.0, 0.0, "no difference"),
        (-0.021, 0.01, "inconclusive"),
        (-0.01, 0.021, "inconclusive"),
        (-0.3, 0.3, "inconclusive"),
        (np.nan, np.nan, "inconclusive"),
    ],
)
def test_the_order_of_the_questions(low: float, high: float, expected: str) -> None:
    assert verdict(low, high) == expected


def table() -> pd.DataFrame:
    nan = np.nan
    rows = [
        ("selected", "augmented", "Classifier", "average_precision", "", 0.31, 0.25, 0.06, 0.01, 0.11, "helps"),
        ("selected", "augmented", "Classifier", "average_precision", "crack", 0.2, 0.5, -0.3, -0.4, -0.2, "hurts"),
        ("selected", "augmented", "Classifier", "average_precision", "pit", 0.4, 0.3, 0.1, nan, nan, "inconclusive"),
        ("selected", "augmented", "Classifier", "average_precision", "stain", nan, nan, nan, nan, nan, "inconclusive"),
        ("selected", "augmented", "Classifier", "macro_f1", "", 0.9, 0.1, 0.8, 0.7, 0.9, "helps"),
        ("selected", "real", "Classifier", "average_precision", "", 0.9, 0.1, 0.8, 0.7, 0.9, "helps"),
        ("sham", "augmented", "Classifier", "average_precision", "", 0.9, 0.1, 0.8, 0.7, 0.9, "helps"),
        ("selected", "augmented", "Other", "average_precision", "", 0.9, 0.1, 0.8, 0.7, 0.9, "helps"),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_the_verdict_is_on_what_is_exported_against_augmentation_by_the_primary_endpoint() -> None:
    found = of_differences(table(), "Classifier", seeds=5, pictures=450, groups=120)
    assert found.overall == Effect(0.31, 0.25, 0.06, 0.01, 0.11)
    assert {label: effect.state for label, effect in found.classes.items()} == {"crack": "hurts", "pit": "inconclusive"}
    assert found.state == "helps"
    assert found.sentence == (
        "helps: average precision 0.310 instead of 0.250 "
        "(+0.060, 95 % interval +0.010 to +0.110; 5 seeds, 120 test parts)"
    )


def test_words_of_a_class_without_an_interval_and_of_a_single_seed() -> None:
    found = of_differences(table(), "Classifier", seeds=1, pictures=2, groups=1)
    assert found.classes["pit"].words == "0.400 instead of 0.300 (+0.100, no interval)"
    assert found.sentence.endswith("; 1 seed, 1 test part)")


def test_without_defects_in_test_nothing_is_measured() -> None:
    missing = table().assign(difference=np.nan)
    for rows in (missing, table().iloc[:0]):
        found = of_differences(rows, "Classifier", 5, 450, 120)
        assert found.state == "not measured" and found.sentence.startswith("not measured: ")


@pytest.mark.parametrize(
    "made", [of_differences(table(), "Classifier", 5, 450, 120), not_measured("the study was not asked for (seeds: 0)")]
)
def test_a_file_comes_back_as_it_was(tmp_path: Path, made: Verdict) -> None:
    made.save(tmp_path)
    assert load(tmp_path) == made
    written = json.loads((tmp_path / VERDICT).read_text())
    assert (written["state"], written["sentence"]) == (made.state, made.sentence)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        '{"overall": 3, "classes": {}}',
        '{"overall": {"value": "x", "baseline_value": 0, "difference": 0, "low": 0, "high": 0}, "classes": {},'
        ' "seeds": 5, "pictures": 2, "groups": 1, "reason": ""}',
    ],
)
def test_a_damaged_file_and_none_are_told_in_one_line(tmp_path: Path, damage: str) -> None:
    with pytest.raises(UserError, match="no verdict"):
        load(tmp_path)
    (tmp_path / VERDICT).write_text(damage)
    with pytest.raises(UserError, match="is no verdict") as told:
        load(tmp_path)
    assert str(tmp_path / VERDICT) in str(told.value) and "\n" not in str(told.value)
