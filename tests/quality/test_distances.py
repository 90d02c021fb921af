"""Distances and neighbourhoods against their definitions, written out."""

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.covariance import ledoit_wolf

from defectgen.quality.distances import NEIGHBOURS, density_and_coverage, frechet_distance, kernel_distance, spread


def cloud(count: int, features: int, seed: int, mean: float = 0, deviation: float = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.eye(features) + 0.3 * np.random.default_rng(99).normal(size=(features, features))
    return mean + deviation * rng.normal(size=(count, features)) @ mixing


@pytest.mark.parametrize(("count", "features"), [(200, 4), (9, 40), (2, 6)])
def test_frechet_distance_is_the_formula_of_the_shrunk_covariances(count: int, features: int) -> None:
    x, y = cloud(count, features, 0), cloud(count + 1, features, 1, mean=0.5, deviation=1.5)
    cov_x, cov_y = ledoit_wolf(x)[0], ledoit_wolf(y)[0]
    apart = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    expected = apart + np.trace(cov_x + cov_y - 2 * np.real(sqrtm(cov_x @ cov_y)))
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(y, x) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_many_samples_is_that_of_their_gaussians() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (20000, 3)), rng.normal(1, 2, (20000, 3))
    assert frechet_distance(x, y) == pytest.approx(3 * (1 + 1), rel=0.05)


def test_frechet_distance_of_two_samples_each_is_finite() -> None:
    assert np.isfinite([frechet_distance(cloud(2, 45, 2 * n), cloud(2, 45, 2 * n + 1)) for n in range(50)]).all()


def test_kernel_distance_is_the_mean_over_pairs_of_different_samples() -> None:
    x, y = cloud(5, 3, 0), cloud(4, 3, 1, mean=1)

    def kernel(one: np.ndarray, other: np.ndarray) -> float:
        return float((one @ other / 3 + 1) ** 3)

    within = [np.mean([kernel(one, other) for one, other in permutations(z, 2)]) for z in (x, y)]
    across = np.mean([kernel(one, other) for one in x for other in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across)


def test_kernel_distance_is_unbiased() -> None:
    values = [kernel_distance(cloud(4, 2, 2 * n), cloud(4, 2, 2 * n + 1)) for n in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


@pytest.mark.parametrize("count", [2, 4, 12])
def test_density_and_coverage_count_neighbourhoods(count: int) -> None:
    real, generated = cloud(count, 3, 0), cloud(7, 3, 1)
    k = min(NEIGHBOURS, count - 1)
    inside = np.zeros((count, 7), bool)
    for i, centre in enumerate(real):
        reach = sorted(np.linalg.norm(centre - other) for j, other in enumerate(real) if j != i)[k - 1]
        inside[i] = [np.linalg.norm(centre - other) <= reach for other in generated]
    density, coverage = density_and_coverage(real, generated)
    assert density == pytest.approx(inside.sum() / (k * 7))
    assert coverage == pytest.approx(np.mean([row.any() for row in inside]))
    assert coverage > 0


def test_spread_is_the_mean_distance_of_two() -> None:
    assert spread(np.array([[0.0, 0], [3, 4], [0, 0]])) == pytest.approx(10 / 3)


def test_sets_that_do_not_vary_are_at_no_distance() -> None:
    same = np.ones((4, 6))
    assert frechet_distance(same, same) == 0
    assert kernel_distance(same, same) == pytest.approx(0)
    assert density_and_coverage(same, same)[1] == 1
    assert frechet_distance(same, same + 1) == pytest.approx(6)
