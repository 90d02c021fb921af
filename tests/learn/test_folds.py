"""Folds: every class in several of them, nothing in two, and nobody who would not know a class."""

from collections import Counter

import numpy as np
import pytest

from defectgen.learn.folds import FOLDS, divide


def few(seed: int) -> dict[str, list[str]]:
    """Classes of one to nine groups out of twenty, which may show several."""
    rng = np.random.default_rng(seed)
    names = np.array([f"part{number}" for number in range(20)])
    return {label: list(rng.choice(names, rng.integers(1, 10), replace=False)) for label in ("a", "b", "c", "d")}


@pytest.mark.parametrize("seed", range(40))
def test_every_member_knows_every_class(seed: int) -> None:
    groups = few(seed)
    folds = divide(groups)
    assert set(folds.values()) <= set(range(FOLDS))
    for fold in range(FOLDS):
        for members in groups.values():
            assert any(folds.get(group) != fold for group in members)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 12])
def test_a_class_is_spread_as_evenly_as_its_groups_allow(count: int) -> None:
    groups = {"good": [f"g{number}" for number in range(50)], "pit": [f"p{number}" for number in range(count)]}
    folds = divide(groups)
    for label in groups:
        sizes = [sum(folds[group] == fold for group in groups[label]) for fold in range(FOLDS)]
        assert max(sizes) - min(sizes) <= 1
    assert folds.keys() == {*groups["good"], *groups["pit"]}


def test_a_class_that_has_groups_in_one_fold_already_gets_the_others_elsewhere() -> None:
    shared = {"crack": ["s0", "s1", "s2"], "pit": ["c0", "c1", "c2", "c3"]}
    assert [divide(shared)[group] for group in ("c0", "c3")] == [0, 0]
    groups = shared | {"stain": ["c0", "c3", "u1", "u2", "u3"]}
    folds = divide(groups)
    assert sorted(Counter(folds[group] for group in groups["stain"]).values()) == [1, 2, 2]


def test_small_classes_do_not_crowd_into_one_fold() -> None:
    folds = divide({str(label): [f"{label}-{number}" for number in range(2)] for label in range(30)})
    sizes = [list(folds.values()).count(fold) for fold in range(FOLDS)]
    assert max(sizes) - min(sizes) <= 1


def test_the_only_group_of_a_class_is_in_no_fold() -> None:
    folds = divide({"good": ["a", "b", "c", "d"], "pit": ["a"], "scratch": ["e", "b"]})
    assert folds.keys() == {"b", "c", "d", "e"}


def test_a_class_that_others_have_put_into_one_fold_is_in_none() -> None:
    others = {label: [f"{label}{number}" for number in range(FOLDS)] for label in "abcd"}
    crowded = {f"{label}0" for label in others}
    assert {divide(others)[group] for group in crowded} == {0}
    assert divide(others | {"z": crowded}).keys() == {f"{label}{number}" for label in others for number in (1, 2)}


def test_the_order_of_names_and_classes_is_no_matter() -> None:
    groups = few(3)
    turned = {label: groups[label][::-1] for label in reversed(groups)}
    assert divide(groups) == divide(turned)
