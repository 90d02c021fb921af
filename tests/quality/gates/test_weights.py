"""Limits from few samples: classes borrow from each other, and nobody has a say about himself."""

import numpy as np
import pytest

from defectgen.quality.gates.weights import BORROWED, Usual, quantile, weights

RNG = np.random.default_rng(0)


def test_others_together_are_worth_a_fixed_number() -> None:
    labels = ["pit"] * 7 + ["crack"] * 40 + ["dent"] * 60
    weight = weights(labels, "pit")
    assert weight[:7].tolist() == [1] * 7
    assert weight[7:].sum() == pytest.approx(BORROWED)
    assert len(set(weight[7:])) == 1


def test_a_few_others_are_never_worth_more_than_ones_own() -> None:
    assert weights(["pit", "crack", "crack"], "pit").tolist() == [1, 1, 1]


def test_an_unknown_class_is_all_the_others() -> None:
    assert len(set(weights(["pit"] * 30 + ["crack"] * 30, "dent"))) == 1


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.5, 0.975])
def test_the_quantile_is_that_of_a_sample_in_which_each_occurs_as_often_as_it_weighs(share: float) -> None:
    scores, times = RNG.normal(size=40), RNG.integers(1, 6, 40)
    expected = np.sort(np.repeat(scores, times))[int(np.ceil(share * times.sum())) - 1]
    assert quantile(scores, share, times.astype(float)) == expected


def test_the_quantile_takes_what_can_never_pass_as_the_lowest() -> None:
    assert quantile(np.array([0.5, -np.inf, 1.0]), 0.05, np.ones(3)) == -np.inf
    assert quantile(np.array([0.5, -np.inf, 1.0]), 0.5, np.ones(3)) == 0.5


def usual(groups: list[str], values: list[float]) -> Usual:
    return Usual(np.array(values)[:, None], ["pit"] * len(values), groups)


def test_likeness_is_best_at_the_median_and_falls_on_both_sides() -> None:
    known = usual([str(number) for number in range(41)], list(np.linspace(-1, 1, 41)))
    at = [known.likeness(np.array([value]), "pit") for value in (-3, -1, 0, 1, 3)]
    assert at[2] == pytest.approx(0, abs=0.1)
    assert at[0] < at[1] < at[2] > at[3] > at[4]


def test_the_worst_figure_decides() -> None:
    known = Usual(RNG.normal(size=(50, 3)), ["pit"] * 50, [str(number) for number in range(50)])
    assert known.likeness(np.array([0, 0, 9.0]), "pit") < -5


def test_a_group_has_no_say_about_itself() -> None:
    """A part with many odd defects: they look usual as long as they are counted themselves."""
    known = usual(["a"] * 20 + ["b", "c", "d", "e"], [9.0] * 20 + [0.0, 0.1, -0.1, 0.05])
    assert known.likeness(np.array([9.0]), "pit") == 0
    assert known.likeness(np.array([9.0]), "pit", without="a") < -20
    assert (known.likenesses()[:20] < -20).all()


def test_where_no_other_group_is_known_nothing_is_like() -> None:
    assert np.isnan(usual(["a", "a"], [1.0, 2.0]).likenesses()).all()


def test_nothing_speaks_against_a_class_that_nobody_knows() -> None:
    assert usual(["a", "b"], [1.0, 2.0]).likeness(np.array([50.0]), "crack") == 0


def test_an_odd_class_does_not_move_what_is_usual_in_another() -> None:
    values, groups = RNG.normal(size=(30, 1)), [str(number) for number in range(31)]
    alone = Usual(values, ["pit"] * 30, groups[:30])
    beside = Usual(np.vstack([values, [[50.0]]]), ["pit"] * 30 + ["crack"], groups)
    assert beside.likenesses()[:30] == pytest.approx(alone.likenesses(), rel=0.2)
    assert beside.likeness(np.array([50.0]), "crack") == 0


def test_what_is_usual_is_so_in_a_class_rather_than_in_another() -> None:
    groups = [str(number) for number in range(90)]
    known = Usual(np.array([[1.0]] * 30 + [[5.0]] * 60), ["pit"] * 30 + ["crack"] * 60, groups)
    assert known.likeness(np.array([1.0]), "pit") == 0
    assert known.likeness(np.array([1.0]), "crack") < -5
