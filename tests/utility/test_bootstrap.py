"""Intervals: planted effects are found, equal arms are equal, groups are drawn whole, and the interval covers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_readings import LABELS, made_reading, map_reading, random_reading, repeated
from sklearn.metrics import roc_auc_score

from defectgen.utility.bootstrap import COLUMNS, differences, draw
from defectgen.utility.figures import Thresholds, figures
from defectgen.utility.types import Reading

AT = Thresholds(0.6, np.array([20, 20, 15, 10]))
Arms = dict[str, list[Reading]]


def compare(arms: Arms, replicates: int = 200, labels: Sequence[str] = LABELS, **rest: object) -> pd.DataFrame:
    at = {arm: [AT] * len(readings) for arm, readings in arms.items()}
    table = differences(arms, at, labels, "Classifier", replicates=replicates, **rest)
    return table.set_index(["arm", "baseline", "figure", "label"]).sort_index()


def arms(skills: dict[str, float], seeds: int = 5, **made: int) -> Arms:
    return {
        arm: [random_reading(100 * number + seed, skill, **made) for seed in range(seeds)]
        for number, (arm, skill) in enumerate(skills.items())
    }


def of(table: pd.DataFrame, arm: str, figure: str = "average_precision", label: str = "") -> pd.Series:
    return table.loc[(arm, "augmented", figure, label)]


def test_planted_effects() -> None:
    table = compare(arms({"augmented": 1, "selected": 3, "sham": 1, "perlin": -1}, pictures=80))
    for figure in ("average_precision", "macro_f1", "balanced_accuracy", "auroc"):
        assert of(table, "selected", figure)["verdict"] == "helps", figure
        assert of(table, "perlin", figure)["verdict"] == "hurts", figure
    for label in ["", *LABELS[1:]]:
        assert of(table, "selected", label=label)["verdict"] == "helps"
        assert of(table, "sham", label=label)["verdict"] == "inconclusive"
    assert set(table["detector"]) == {"Classifier"}


def test_equal_arms_differ_by_nothing() -> None:
    same = [map_reading(seed, pictures=40) for seed in range(3)]
    table = compare({"augmented": same, "selected": same})
    assert (table[["difference", "low", "high"]].to_numpy() == 0).all()
    assert (table["verdict"] == "no difference").all()
    assert {"pixel_average_precision", "dice", "auroc"} <= set(table.index.get_level_values("figure"))


def test_values_are_the_figures_mean_over_the_seeds() -> None:
    made = {
        arm: [map_reading(seed, pictures=40) for seed in seeds]
        for arm, seeds in {"augmented": (1, 2), "selected": (3, 4)}.items()
    }
    table = compare(made)
    for (arm, baseline, figure, label), row in table.iterrows():
        for name, column in ((arm, "value"), (baseline, "baseline_value")):
            each = [figures(reading, LABELS, AT)[figure, label] for reading in made[name]]
            assert row[column] == pytest.approx(np.mean(each))
        assert row["difference"] == pytest.approx(row["value"] - row["baseline_value"])
        assert row["low"] <= row["high"]


def test_the_interval_is_that_of_its_definition() -> None:
    made = arms({"augmented": 1, "selected": 1.5}, seeds=3, pictures=40)
    drawn = draw(made["augmented"][0].groups, 3, 30, seed=7)
    gains = []
    for weights, seeds in zip(drawn.weights, drawn.seeds, strict=True):
        augmented, selected = ([auroc(reading, weights) for reading in made[arm]] for arm in ("augmented", "selected"))
        gains.append(float(np.dot(seeds, np.subtract(selected, augmented))))
    row = of(compare(made, replicates=30, seed=7), "selected", "auroc")
    np.testing.assert_allclose([row["low"], row["high"]], np.percentile(gains, [2.5, 97.5]))


def auroc(reading: Reading, weights: np.ndarray) -> float:
    assert reading.scores is not None
    return float(roc_auc_score(~reading.truth[:, 0], 1 - reading.scores[:, 0].astype(float), sample_weight=weights))


def test_groups_are_drawn_whole_and_as_many_as_there_are() -> None:
    drawn = draw(["b", "a", "b", "c", "a", "b"], seeds=4, replicates=100, seed=0)
    np.testing.assert_array_equal(drawn.weights[:, [0, 0, 1]], drawn.weights[:, [2, 5, 4]])
    np.testing.assert_array_equal(drawn.weights[:, [0, 1, 3]].sum(axis=1), 3)
    np.testing.assert_allclose(drawn.seeds.sum(axis=1), 1)
    assert drawn.seeds.std(axis=0).min() > 0 and drawn.weights.std(axis=0).min() > 0


def test_more_pictures_of_the_same_parts_are_no_more_evidence() -> None:
    made = arms({"augmented": 1, "selected": 1.5}, pictures=40, each=1)
    fourfold = {arm: [repeated(reading, np.full(40, 4)) for reading in made[arm]] for arm in made}
    pd.testing.assert_frame_equal(compare(made), compare(fourfold))
    width = [of(compare(each), "selected")[["low", "high"]].diff().iloc[-1] for each in (made, regrouped(fourfold))]
    assert width[1] < 0.8 * width[0], "while as many more parts would be"


def regrouped(made: Arms) -> Arms:
    return {
        arm: [replace(reading, groups=[f"part-{row}" for row in range(len(reading.groups))]) for reading in readings]
        for arm, readings in made.items()
    }


def test_seeds_that_disagree_widen_the_interval() -> None:
    calm = {"augmented": [random_reading(1)] * 5, "selected": [random_reading(2, 1.5)] * 5}
    restless = calm | {"selected": [random_reading(2, skill) for skill in (-1.5, 0, 1.5, 3, 4.5)]}
    calm_row, restless_row = (of(compare(made), "selected") for made in (calm, restless))
    assert restless_row["high"] - restless_row["low"] > 1.5 * (calm_row["high"] - calm_row["low"])


def test_neither_the_order_of_pictures_nor_that_of_arms_matters() -> None:
    made = arms({"real": 0.5, "augmented": 1, "selected": 1.5})
    order = np.random.default_rng(0).permutation(60)
    shuffled = {
        arm: [
            Reading(
                [reading.picture_ids[row] for row in order],
                [reading.groups[row] for row in order],
                reading.truth[order],
                reading.scores[order] if reading.scores is not None else None,
                None,
            )
            for reading in made[arm]
        ]
        for arm in reversed(made)
    }
    pd.testing.assert_frame_equal(compare(made), compare(shuffled))


def test_every_arm_against_every_baseline_that_was_run() -> None:
    made = arms({"real": 0.5, "augmented": 1, "selected": 1.5}, seeds=1)
    at = {arm: [AT] for arm in made}
    pairs = differences(made, at, LABELS, "Classifier", replicates=10)[["baseline", "arm"]].drop_duplicates()
    assert [tuple(pair) for pair in pairs.to_numpy()] == [
        ("augmented", "real"),
        ("augmented", "selected"),
        ("real", "augmented"),
        ("real", "selected"),
    ]
    del made["real"]
    table = differences(made, at, LABELS, "Classifier", replicates=10)
    assert set(table["baseline"]) == {"augmented"} and list(table.columns) == COLUMNS


def test_a_class_of_a_single_part_has_no_interval_and_one_never_seen_no_value() -> None:
    def one(seed: int, skill: float) -> Reading:
        named = [0] * 10 + [1] * 10 + [2] * 4
        logits = np.random.default_rng(seed).normal(size=(24, 4)) + skill * np.eye(4)[named]
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return made_reading(named, scores, [f"part-{i}" for i in range(20)] + ["last"] * 4)

    made = {"augmented": [one(seed, 0) for seed in range(3)], "selected": [one(seed, 5) for seed in range(3, 6)]}
    table = compare(made)
    pit, stain = of(table, "selected", label="pit"), of(table, "selected", label="stain")
    assert pit["difference"] > 0 and np.isnan(pit["low"]) and pit["verdict"] == "inconclusive"
    assert np.isnan(stain["value"]) and np.isnan(stain["low"]) and stain["verdict"] == "inconclusive"
    whole = of(table, "selected")
    assert whole["verdict"] == "helps"
    means = [of(table, "selected", label=label)["difference"] for label in ("crack", "pit")]
    assert whole["difference"] == pytest.approx(np.mean(means))


def test_arms_of_different_pictures_or_seeds_are_not_compared() -> None:
    made = arms({"augmented": 1, "selected": 1}, seeds=2)
    with pytest.raises(ValueError, match="number of seeds"):
        compare(made | {"selected": made["selected"][:1]})
    with pytest.raises(ValueError, match="same pictures"):
        compare(made | {"selected": [random_reading(1, pictures=58)] * 2})


def simulated(random: np.random.Generator, gain: float, parts: int = 40, seeds: int = 5) -> Arms:
    """Two pictures a part; parts are hard for all or for one arm; trainings come out unlike."""
    named = np.repeat(random.permutation(np.arange(parts) % 8 % 3), 2)
    groups = [f"part-{row // 2}" for row in range(2 * parts)]
    hard = np.repeat(random.normal(0, 0.7, (parts, 3)), 2, axis=0)
    made: Arms = {}
    for arm, skill in (("augmented", 1.5), ("selected", 1.5 + gain)):
        to_arm = np.repeat(random.normal(0, 0.5, (parts, 3)), 2, axis=0)
        readings = []
        for _ in range(seeds):
            trained = skill + random.normal(0, 0.3)
            logits = trained * np.eye(3)[named] + hard + to_arm + random.normal(0, 0.6, (2 * parts, 3))
            scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            readings.append(made_reading(named.tolist(), scores, groups, classes=3))
        made[arm] = readings
    return made


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.0, 0.8])
def test_the_interval_covers_the_true_difference(gain: float) -> None:
    """95 % of studies should; the percentile interval of few seeds and parts covers a little less."""
    random = np.random.default_rng(0)
    rows = [
        of(compare(simulated(random, gain), replicates=300, labels=LABELS[:3]), "selected", "average_precision")
        for _ in range(120)
    ]
    table = pd.DataFrame(rows)
    truth = table["difference"].mean()
    covered = ((table["low"] <= truth) & (truth <= table["high"])).mean()
    print(
        f"gain {gain}: true difference {truth:.3f}, covered {covered:.3f}, verdicts {table['verdict'].value_counts()}"
    )
    assert 0.89 <= covered <= 0.99
    assert (table["verdict"] == "hurts").mean() <= 0.06
