"""Fidelity: how far generated defects are from the real ones, and whether that tells which of them help a detector.

Every figure stands beside its baseline, the same figure between two random halves of the real ones. With few samples a
distance depends on their number, so both are measured on equally many patches of each class, drawn again and again:

    real half A  against  generated           value
    real half A  against  real half B         real_value, real_spread

A generator that repeats the training pictures is at the baseline too: fidelity cannot see that. Real defects of other
parts lie somewhat off it, as halves share parts, and further with the features of a critic that was trained on `real`:
compare those of the validation split too, and read what is generated against them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.quality.distances import density_and_coverage, frechet_distance, kernel_distance, spread
from defectgen.quality.texture import Features

Patches = NDArray[np.float32]
Numbers = NDArray[np.int64]
Draw = Mapping[str, tuple[Numbers, Numbers, Numbers]]  # by class: which patches are half A, half B, generated

COLUMNS = ["features", "figure", "label", "value", "real_value", "real_spread", "n_real", "n_generated", "n"]
REPEATS = 20  # draws of every comparison
SMALLEST = 2  # patches of a class on each side of a comparison
FLOOR = 0.01  # of the largest standard deviation: a feature that real patches hardly change must not outweigh all
PERMUTATIONS = 5000


def fidelity(
    real: Mapping[str, Patches],
    generated: Mapping[str, Patches],
    features: Mapping[str, Callable[[Patches], Features]],
    seed: int,
) -> pd.DataFrame:
    """The table of all figures: of each class, and of all together in the same mixture (label "").

    Args:
        real: class -> the real training defects, (N, C, S, S) in [-1, 1].
        generated: class -> what is compared with them. Defects without a class: give both sides one label.
        features: name -> what turns patches into features (N, F); standardised by the mean and spread of `real`.
        seed: of the draws.

    Returns:
        The columns COLUMNS. value and real_value are means, real_spread a standard deviation over the draws; n_real
        and n_generated count what there is, n what a side of each comparison has. A class with fewer than 4 real or 2
        generated patches has no rows; an empty table means that no class has enough.
    """
    shared = [label for label in real if len(generated.get(label, ()))]
    sizes = {label: min(len(real[label]) // 2, len(generated[label])) for label in shared}
    labels = [label for label in shared if sizes[label] >= SMALLEST]
    if not labels:
        return pd.DataFrame(columns=COLUMNS)
    rng = np.random.default_rng(seed)
    counts = {label: (len(real[label]), len(generated[label]), sizes[label]) for label in labels}
    draws = [{label: _drawn(*counts[label], rng) for label in labels} for _ in range(REPEATS)]
    rows = []
    for name, extract in features.items():
        of_real, of_generated = ({label: extract(side[label]) for label in labels} for side in (real, generated))
        standardise = _standardiser(np.concatenate(list(of_real.values())))
        x, y = ({label: standardise(side[label]) for label in labels} for side in (of_real, of_generated))
        for label, part in {"": labels, **{label: [label] for label in labels}}.items():
            there = np.sum([counts[each] for each in part], axis=0)
            for figure, value in _compared(x, y, part, draws).items():
                rows.append([name, figure, label, *value, *there])
    return pd.DataFrame(rows, columns=COLUMNS)


def predicts(fidelity: pd.DataFrame, endpoints: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Whether a figure's excess over its baseline goes with the detector's gain, over all products and arms.

    Args:
        fidelity: tables of `fidelity` with columns product and arm; the rows of all classes together (label "") count.
        endpoints: product, arm, difference of the primary endpoint.
        seed: of the permutations.

    Returns:
        features, figure, correlation (Spearman's, of value - real_value with the difference), p_value, n (pairs of
        product and arm). The permutations stay within a product, so that products which differ are no evidence.
    """
    excess = fidelity[fidelity["label"] == ""].assign(excess=lambda table: table["value"] - table["real_value"])
    pairs = excess.merge(endpoints, on=["product", "arm"], validate="many_to_one")
    rows = []
    for (features, figure), few in pairs.groupby(["features", "figure"], sort=False):
        correlation, p_value = _rank_correlation(few, np.random.default_rng(seed))
        rows.append([features, figure, correlation, p_value, len(few)])
    return pd.DataFrame(rows, columns=["features", "figure", "correlation", "p_value", "n"])


def weakness(predicted: pd.DataFrame) -> str:
    """What a reader of the table of `predicts` must know, in a sentence or two."""
    if predicted.empty:
        return "No arm has both fidelity and an endpoint: nothing can be said."
    chance = len(predicted) / 20
    return (
        f"{predicted['n'].max()} pairs of product and arm are weak evidence: an arm counts once, however many pictures "
        f"it has, and of {len(predicted)} figures about {chance:.1f} reach p < 0.05 by chance alone."
    )


def _rank_correlation(pairs: pd.DataFrame, rng: np.random.Generator) -> tuple[float, float]:
    """Spearman's correlation of excess and difference, 0 where one never changes, and its two-sided p-value."""
    excess, difference = (_standing(pairs[column].rank().to_numpy()) for column in ("excess", "difference"))
    product = pd.factorize(pairs["product"])[0]
    found = float(excess @ difference)
    shuffled = np.empty((PERMUTATIONS, len(pairs)))
    for number in np.unique(product):
        mine = product == number
        shuffled[:, mine] = rng.permuted(np.tile(difference[mine], (PERMUTATIONS, 1)), axis=1)
    as_strong = np.abs(shuffled @ excess) >= abs(found) - 1e-9
    return found, float((as_strong.sum() + 1) / (PERMUTATIONS + 1))


def _standing(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks with mean 0 and length 1; all 0 where all are the same."""
    centred = ranks - ranks.mean()
    return centred / (np.linalg.norm(centred) or 1.0)


def _drawn(real: int, generated: int, size: int, rng: np.random.Generator) -> tuple[Numbers, Numbers, Numbers]:
    """Two halves of the real ones that share none, and as many of the generated ones."""
    order = rng.permutation(real)
    return order[:size], order[size : 2 * size], rng.permutation(generated)[:size]


def _standardiser(real: Features) -> Callable[[Features], Features]:
    """To mean 0 and standard deviation 1 of the real features."""
    mean, deviation = real.mean(axis=0), real.std(axis=0)
    scale = np.maximum(deviation, FLOOR * deviation.max() or 1.0)
    return lambda features: (features - mean) / scale


def _compared(
    real: Mapping[str, Features], generated: Mapping[str, Features], labels: Sequence[str], draws: Sequence[Draw]
) -> dict[str, tuple[np.floating, np.floating, np.floating]]:
    """Value, baseline and the baseline's spread of each figure, of some classes together."""
    scales = [spread(real[label]) or 1.0 for label in labels]
    values, baselines = [], []
    for draw in draws:
        half = [real[label][draw[label][0]] for label in labels]
        values.append(_figures(half, [generated[label][draw[label][2]] for label in labels], scales))
        baselines.append(_figures(half, [real[label][draw[label][1]] for label in labels], scales))
    value, baseline = pd.DataFrame(values).to_dict("list"), pd.DataFrame(baselines).to_dict("list")
    return {each: (np.mean(value[each]), np.mean(baseline[each]), np.std(baseline[each])) for each in value}


def _figures(real: Sequence[Features], other: Sequence[Features], scales: Sequence[float]) -> dict[str, float]:
    """All figures of one draw; both sides are lists over classes, `scales` the whole real classes' spreads."""
    x, y = np.concatenate(real), np.concatenate(other)
    density, coverage = density_and_coverage(x, y)
    return {
        "frechet_distance": frechet_distance(x, y),
        "kernel_distance": kernel_distance(x, y),
        "density": density,
        "coverage": coverage,
        "diversity": float(np.mean([spread(each) / scale for each, scale in zip(other, scales, strict=True)])),
    }
