"""Figures between two sets of features of equally many patches each.

    Frechet distance   |mean_x - mean_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))    (Heusel et al. 2017)
    kernel distance    unbiased MMD^2 with the kernel (x . y / F + 1)^3            (Binkowski et al. 2018)
    density            real neighbourhoods about a generated one, over k           (Naeem et al. 2020)
    coverage           share of real neighbourhoods with a generated one inside    (Naeem et al. 2020)
    spread             mean distance of two of a set

Of sets alike the Frechet distance nears 0, density and coverage 1 only as the sets grow; the kernel distance is 0 in
the mean, and below 0 where both sets are of the same mixture of classes rather than drawn from one.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from sklearn.covariance import ledoit_wolf_shrinkage

from defectgen.quality.texture import Features

NEIGHBOURS = 5  # k: a real one's neighbourhood reaches to its k-th neighbour


def frechet_distance(x: Features, y: Features) -> float:
    """Between the Gaussians of two sets (N, F) and (M, F).

    With fewer samples than features a covariance is mostly chance, so both are shrunk towards round ones by the share
    that Ledoit and Wolf (2004) find best. Computed in the span of the samples; outside it both are round.
    """
    inner = [z - z.mean(axis=0) for z in (x, y)]
    basis = np.linalg.qr(np.concatenate(inner).T)[0]
    (cov_x, rest_x), (cov_y, rest_y) = (_shrunk(z, basis) for z in inner)
    values, vectors = np.linalg.eigh(cov_x)
    root = vectors * np.sqrt(values.clip(0))
    shared = np.sqrt(np.linalg.eigvalsh(root.T @ cov_y @ root).clip(0)).sum()
    outside = (x.shape[1] - basis.shape[1]) * (np.sqrt(rest_x) - np.sqrt(rest_y)) ** 2
    apart = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    return float(apart + np.trace(cov_x) + np.trace(cov_y) - 2 * shared + outside)


def _shrunk(centred: Features, basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The shrunk covariance in a basis (F, D) that spans the samples, and the variance it has outside."""
    share = max(0.0, ledoit_wolf_shrinkage(centred, assume_centered=True))  # of two samples it is 0, but for rounding
    rest = share * (centred**2).mean()
    inside = centred @ basis
    return (1 - share) * (inside.T @ inside) / len(centred) + rest * np.eye(basis.shape[1]), rest


def kernel_distance(x: Features, y: Features) -> float:
    """Between two sets (N, F) and (M, F), N and M at least 2; below 0 half of the time where they are alike."""
    return float(_mean_of_pairs(_kernel(x, x)) + _mean_of_pairs(_kernel(y, y)) - 2 * _kernel(x, y).mean())


def _kernel(x: Features, y: Features) -> NDArray[np.float64]:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_pairs(square: NDArray[np.float64]) -> float:
    """The mean beside the diagonal."""
    return (square.sum() - np.trace(square)) / (len(square) * (len(square) - 1))


def density_and_coverage(real: Features, generated: Features) -> tuple[float, float]:
    """Of generated features (M, F) among real ones (N, F), N at least 2; k is N - 1 where there are no more.

    Density is about 1 for sets alike and higher where the generated crowd together; coverage is at most 1.
    """
    neighbours = min(NEIGHBOURS, len(real) - 1)
    reach = np.sort(cdist(real, real), axis=1)[:, neighbours]  # column 0 is the one itself
    within = cdist(real, generated) <= reach[:, None]
    return float(within.sum() / (neighbours * len(generated))), float(within.any(axis=1).mean())


def spread(x: Features) -> float:
    """Mean distance of two of a set (N, F), N at least 2."""
    return float(pdist(x).mean())
