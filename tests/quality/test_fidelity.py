"""Fidelity against planted faults, and whether planted predictors of the endpoint are found."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from defectgen.quality.fidelity import COLUMNS, fidelity, predicts, weakness
from defectgen.quality.texture import texture_features

Sets = dict[str, np.ndarray]
FEATURES = {"texture": texture_features}
DISTANCES = ["frechet_distance", "kernel_distance"]


def surfaces(counts: dict[str, int], seed: int, grain: float = 1.0) -> Sets:
    """Patches of blurred noise with a disc of random place, size and depth; the classes differ in its sign."""
    rng = np.random.default_rng(seed)
    signs = {label: (-1) ** number for number, label in enumerate(sorted(counts))}
    return {label: np.stack([_patch(rng, signs[label], grain) for _ in range(n)]) for label, n in counts.items()}


def _patch(rng: np.random.Generator, sign: int, grain: float) -> np.ndarray:
    texture = cv2.GaussianBlur(rng.normal(0, 1, (64, 64)), (0, 0), grain * rng.uniform(0.8, 1.25))
    patch = 0.15 * texture / texture.std()
    centre = tuple(int(value) for value in rng.integers(16, 48, 2))
    cv2.circle(patch, centre, int(rng.integers(4, 12)), sign * rng.uniform(0.3, 0.8), -1)
    return np.clip(patch, -1, 1)[None].astype(np.float32)


def each(sets: Sets, change: Callable[[np.ndarray], np.ndarray]) -> Sets:
    """Every plane of every patch changed."""
    return {
        label: np.stack([change(patch[0])[None] for patch in some]).astype(np.float32) for label, some in sets.items()
    }


def jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(plane: np.ndarray) -> np.ndarray:
        grey = np.rint((plane + 1) * 127.5).astype(np.uint8)
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) / 127.5 - 1

    return change


def blur(sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda plane: cv2.GaussianBlur(plane, (0, 0), sigma)


def noise(deviation: float) -> Callable[[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    return lambda plane: np.clip(plane + rng.normal(0, deviation, plane.shape), -1, 1)


COUNTS = {"bump": 24, "pit": 24}
REAL, ALIKE = surfaces(COUNTS, 0), surfaces(COUNTS, 1)


def overall(generated: Sets, real: Sets = REAL) -> pd.DataFrame:
    table = fidelity(real, generated, FEATURES, seed=0)
    return table[table["label"] == ""].set_index("figure")


def test_more_of_the_same_is_at_the_baseline() -> None:
    table = overall(ALIKE)
    assert list(table.index) == [*DISTANCES, "density", "coverage", "diversity"]
    assert ((table["value"] - table["real_value"]).abs() < 3 * table["real_spread"] + 0.02).all()
    assert table.loc["diversity", "real_value"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([blur(sigma) for sigma in (0.7, 1.5, 3)], id="blur"),
        pytest.param([noise(deviation) for deviation in (0.05, 0.1, 0.2)], id="noise"),
        pytest.param([jpeg(quality) for quality in (20, 10, 5)], id="jpeg"),
    ],
)
def test_worse_pictures_are_further_away(steps: list[Callable[[np.ndarray], np.ndarray]]) -> None:
    tables = [overall(ALIKE), *(overall(each(ALIKE, step)) for step in steps)]
    for figure in DISTANCES:
        values = [table.loc[figure, "value"] for table in tables]
        assert values == sorted(values), figure
        baseline, varies = tables[0].loc[figure, ["real_value", "real_spread"]]
        assert values[1] > baseline + 3 * varies, figure
        assert values[2] > baseline + 10 * varies, figure
    for figure in ("density", "coverage"):
        assert tables[-1].loc[figure, "value"] < 0.5 * tables[-1].loc[figure, "real_value"]


def test_the_baseline_depends_on_real_patches_alone() -> None:
    baseline = ["real_value", "real_spread"]
    pd.testing.assert_frame_equal(overall(ALIKE)[baseline], overall(each(ALIKE, noise(0.2)))[baseline])


def test_another_texture_is_far_away() -> None:
    table = overall(surfaces(COUNTS, 1, grain=2.5))
    for figure in DISTANCES:
        assert table.loc[figure, "value"] > table.loc[figure, "real_value"] + 10 * table.loc[figure, "real_spread"]


def test_a_generator_that_knows_few_pictures_covers_less_and_varies_less() -> None:
    table = overall({label: some[:2].repeat(12, axis=0) for label, some in ALIKE.items()})
    for figure in ("coverage", "diversity"):
        assert table.loc[figure, "value"] < table.loc[figure, "real_value"] - 3 * table.loc[figure, "real_spread"]


def test_a_bad_class_shows_in_its_own_rows() -> None:
    table = fidelity(REAL, ALIKE | {"pit": each(ALIKE, blur(3))["pit"]}, FEATURES, seed=0)
    rows = table[table["figure"] == "frechet_distance"].set_index("label")
    excess = (rows["value"] - rows["real_value"]) / rows["real_spread"]
    assert excess["pit"] > 10
    assert abs(excess["bump"]) < 3


def test_classes_are_compared_in_the_mixture_of_the_real_ones() -> None:
    real = {"bump": REAL["bump"], "pit": REAL["pit"][:8]}
    lopsided = {"bump": ALIKE["bump"][:12], "pit": ALIKE["pit"]}
    table = overall(lopsided, real)
    assert (table.loc["frechet_distance", ["n_real", "n_generated", "n"]] == [32, 36, 16]).all()
    assert abs(table["value"] - table["real_value"]).max() < 4 * table["real_spread"].max()


def test_all_that_was_generated_is_looked_at() -> None:
    more = {label: np.concatenate([some, each(ALIKE, blur(3))[label]]) for label, some in ALIKE.items()}
    table = overall(more).loc["frechet_distance"]
    assert table["value"] > table["real_value"] + 10 * table["real_spread"]


def test_few_generated_patches_are_compared_with_as_few_real_ones() -> None:
    table = overall({label: some[:3] for label, some in ALIKE.items()})
    assert (table["n"] == 6).all()
    assert table.loc["frechet_distance", "real_value"] > overall(ALIKE).loc["frechet_distance", "real_value"]


def test_five_patches_of_a_class_are_enough() -> None:
    few = {label: some[:5] for label, some in REAL.items()}
    table = fidelity(few, ALIKE, FEATURES, seed=0)
    assert list(table.columns) == COLUMNS
    assert sorted(set(table["label"])) == ["", "bump", "pit"]
    assert np.isfinite(table.drop(columns=["features", "figure", "label"]).to_numpy(np.float64)).all()
    blurred = overall(each(ALIKE, blur(3)), few).loc["frechet_distance"]
    assert blurred["value"] > blurred["real_value"] + 10 * blurred["real_spread"]


def test_classes_with_too_few_patches_have_no_rows() -> None:
    real = {"bump": REAL["bump"], "pit": REAL["pit"][:3], "dent": REAL["pit"]}
    assert set(fidelity(real, ALIKE, FEATURES, seed=0)["label"]) == {"", "bump"}
    assert fidelity(real, {"pit": ALIKE["pit"]}, FEATURES, seed=0).empty


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_constant_patches_have_finite_figures(value: float) -> None:
    real = {"pit": np.zeros((6, 1, 64, 64), np.float32)}
    for generated in (np.full_like(real["pit"], value), ALIKE["pit"]):
        table = fidelity(real, {"pit": generated}, FEATURES, seed=0)
        assert np.isfinite(table[["value", "real_value", "real_spread"]].to_numpy(np.float64)).all()


def test_the_seed_decides_and_another_callable_changes_nothing() -> None:
    table = fidelity(REAL, ALIKE, FEATURES, seed=3)
    both = {"mean": lambda patches: patches.mean(axis=(2, 3)).astype(np.float64), **FEATURES}
    again = fidelity(REAL, ALIKE, both, seed=3)
    pd.testing.assert_frame_equal(again[again["features"] == "texture"].reset_index(drop=True), table)
    assert (fidelity(REAL, ALIKE, FEATURES, seed=4)["value"] != table["value"]).any()


def readings(excess: list[list[float]], gains: list[list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of fidelity and endpoints; one inner list per product, one number per arm."""
    rows = [
        (f"product{p}", f"arm{a}", "texture", "frechet_distance", label, 5 + value, 5.0)
        for p, some in enumerate(excess)
        for a, value in enumerate(some)
        for label in ("", "pit")
    ]
    names = ["product", "arm", "features", "figure", "label", "value", "real_value"]
    ends = [(f"product{p}", f"arm{a}", gain) for p, some in enumerate(gains) for a, gain in enumerate(some)]
    return pd.DataFrame(rows, columns=names), pd.DataFrame(ends, columns=["product", "arm", "difference"])


def test_a_figure_that_orders_the_arms_is_found() -> None:
    excess = [[1.0, 2, 3, 4, 5, 6, 7]]
    row = predicts(*readings(excess, [[-x for x in excess[0]]])).iloc[0]
    assert row["correlation"] == pytest.approx(-1)
    assert row["p_value"] < 0.01
    assert row["n"] == 7


def test_a_figure_counts_over_its_baseline() -> None:
    table, endpoints = readings([[1.0, 2, 3, 4]], [[0.1, 0.2, 0.3, 0.4]])
    shift = 10 * table["value"]
    moved = table.assign(value=table["value"] - shift, real_value=table["real_value"] - shift)
    assert predicts(moved, endpoints)["correlation"].iloc[0] == pytest.approx(1)


def test_the_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, 12).astype(float), rng.normal(size=12)
    row = predicts(*readings([list(x)], [list(y)])).iloc[0]
    assert row["correlation"] == pytest.approx(spearmanr(x, y).statistic)
    assert row["p_value"] == pytest.approx(spearmanr(x, y).pvalue, abs=0.05)


def test_products_that_differ_are_no_evidence() -> None:
    """Between two products everything goes together, within each nothing does."""
    excess, gains = [[1.0, 2, 3, 4], [11.0, 12, 13, 14]], [[0.2, 0.4, 0.1, 0.3], [1.2, 1.4, 1.1, 1.3]]
    row = predicts(*readings(excess, gains)).iloc[0]
    assert row["correlation"] > 0.6
    assert row["p_value"] > 0.2


def test_a_figure_that_never_changes_predicts_nothing() -> None:
    row = predicts(*readings([[1.0, 1, 1]], [[0.1, 0.2, 0.3]])).iloc[0]
    assert (row["correlation"], row["p_value"]) == (0, 1)


def test_the_reader_is_told_how_weak_it_is() -> None:
    assert "7 pairs" in weakness(predicts(*readings([[1.0, 2, 3, 4, 5, 6, 7]], [[0.0] * 7])))
    assert "nothing" in weakness(predicts(*readings([[1.0]], [[]])))
