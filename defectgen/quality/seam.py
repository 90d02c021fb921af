"""Seam: what shows along the edge of something blended into a picture, and a critic that judges by that alone.

A pixel's depth is its signed distance from the edge, negative inside. Pixels deeper than RIM are blanked before
anything is looked at: what was drawn is not judged, only whether its edge shows. Of bands of depth, those next to the
edge one native pixel wide and wider ones about them:

    tilt      slope outwards, its median: brighter or darker inside all round
    size      |brightness of the next band outwards - that of a band|, mean over SECTORS: bright here, dark there
    across    |slope across the edge| over |slope along it|, log: where nothing is cut neither outweighs the other
    grain     |Laplacian| over that of the band farthest out, log: what is drawn may be smoother than what is there
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace
from sklearn.ensemble import ExtraTreesClassifier

from defectgen.imaging.distance import to_outside
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.quality.texture import STEP, Features

RIM = 2.0  # pixels at 64 px of the inside that are looked at; what is drawn fades in over 4 pixels of a band
BOUNDS = {  # of the bands: next to the edge in native pixels, about them in pixels at 64 px
    "native px": (-2.0, -1.0, 0.0, 1.0, 2.0),
    "px at 64": (-RIM, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0),
}
SECTORS = 8  # of directions from the middle
LEAST = 0.3  # grey levels of 8 bits: a smaller figure is their rounding noise
FOLDS = 5
TREES = 200

Plane = NDArray[np.float32]


def feature_names() -> list[str]:
    """What each of the seam features is, "figure at depth"."""
    names = []
    for unit, bounds in BOUNDS.items():
        places = [f"{low:g} to {high:g} {unit}" for low, high in pairwise(bounds)]
        for figure, where in (("tilt", places), ("size", places[:-1]), ("across", places), ("grain", places[:-1])):
            names += [f"{figure} at {place}" for place in where]
    return names


def seam_features(pixels: Pixels, support: Mask, unit: float) -> NDArray[np.float64]:
    """Of a picture (H, W[, 3]) into which something may be blended where `support` (H, W) is set, (F,).

    unit: native pixels to a pixel at 64 px, 1 or more. A band that the picture has no room for counts as inconspicuous.
    """
    rows, columns = about(support, int(np.ceil(BOUNDS["px at 64"][-1] * unit)) + 2)
    support = support[rows, columns]
    depth, sector = depth_of(support), sectors_of(support)
    planes = to_float(pixels[rows, columns]) / np.float32(STEP)
    planes[:, depth < -RIM * unit] = np.nan
    scaled = (np.array(BOUNDS["native px"]), np.array(BOUNDS["px at 64"]) * unit)
    each = [np.concatenate([_figures(plane, depth, bounds, sector) for bounds in scaled]) for plane in planes]
    return np.nan_to_num(np.mean(each, axis=0))


def seam_scores(features: Features, seam: NDArray[np.bool_], groups: Sequence[str], seed: int) -> NDArray[np.float64]:
    """How surely a critic takes each of (N, F) for one with a seam, (N,) in [0, 1]; it has not seen the one's group.

    seam (N,): which have one. Pictures of one group (N,) are in one of FOLDS folds; the critic of a fold, extremely
    randomised trees (Geurts et al. 2006), is trained on the others.
    """
    names, group = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[group]
    scores = np.zeros(len(features))
    for number in range(FOLDS):
        critic = ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=seed)
        critic.fit(features[fold != number], seam[fold != number])
        scores[fold == number] = critic.predict_proba(features[fold == number])[:, 1]
    return scores


def about(support: Mask, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the support's box with a margin, as far as the picture reaches."""
    rows, columns = (np.flatnonzero(support.any(axis=axis)).tolist() for axis in (1, 0))
    return (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )


def depth_of(support: Mask) -> Plane:
    """Signed distance of each pixel's centre from the edge; the picture's border is none."""
    return np.where(support, 0.5 - to_outside(support), to_outside(~support) - 0.5).astype(np.float32)


def sectors_of(support: Mask) -> NDArray[np.int64]:
    """The number of each pixel's direction from the support's middle, (H, W)."""
    places = np.indices(support.shape)
    down, right = places - places[:, support].mean(axis=1)[:, None, None]
    turn = np.arctan2(down, right) / (2 * np.pi) % 1
    return (turn * SECTORS).astype(np.int64) % SECTORS


def _figures(plane: Plane, depth: Plane, bounds: NDArray[np.float64], sector: NDArray[np.int64]) -> NDArray[np.float64]:
    """Tilt, size, across and grain in the bands of a plane with its inside blanked; nan where a band has no pixels."""
    bands = [(low < depth) & (depth <= high) for low, high in pairwise(bounds)]
    slope, outward = np.gradient(plane), np.gradient(depth)
    steep = np.hypot(*outward) + 1e-6
    across = (slope[0] * outward[0] + slope[1] * outward[1]) / steep
    along = (slope[0] * outward[1] - slope[1] * outward[0]) / steep
    brightness = [[_known(np.mean, plane, band & (sector == each)) for each in range(SECTORS)] for band in bands]
    steps = np.abs(np.diff(brightness, axis=0))
    tilt = [_known(np.median, across, band) for band in bands]
    size = [np.log(_known(np.mean, step, np.isfinite(step)) + LEAST) for step in steps]
    steepness = [[_known(np.mean, np.abs(each), band) + LEAST for each in (across, along)] for band in bands]
    grain = np.log([_known(np.mean, np.abs(laplace(plane)), band) + LEAST for band in bands])
    return np.concatenate([tilt, size, -np.diff(np.log(steepness))[:, 0], grain[:-1] - grain[-1]])


def _known(figure: Callable[[Plane], np.floating], values: Plane, where: Mask) -> float:
    """A figure of the pixels that are not blanked; nan where there are none."""
    known = where & np.isfinite(values)
    return float(figure(values[known])) if known.any() else np.nan
