"""How alike the pictures of two defects are beyond their shapes, however one was turned, mirrored, moved or scaled.

Imprints are compared by their correlation where both lie, under every pose: coarsely in all poses at once with all
known defects, then finely with the few likeliest. A score is the lower end of the correlation's interval (Fisher's z,
two standard errors for as many pixels as are independent), since of few pixels some always agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.quality.drawn import Drawn
from defectgen.quality.imprint import SIZE, Imprint, Plane, imprint

COARSE = 20  # side of an imprint in the search through all poses
TURNS, SCALES, MIRRORED = range(0, 360, 15), (0.85, 1.0, 1.18), (False, True)
SHIFTS = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)]  # pixels of COARSE
STEPS = (7.0, 0.08, 1.5, 1.5)  # of the fine search: degrees, factor, pixels of SIZE; halved ROUNDS - 1 times
ROUNDS = 4
LIKELIEST = 6  # known defects that are compared finely
OVERLAP = 0.5  # least share of the larger imprint that both must cover
ERRORS = 2.0  # standard errors that a score lies under its correlation
ZOOM = 1.5  # a copy is at most this many times as large or as small
SAME = 0.6  # two parts with a likeness above that are one part under two names

Moments = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]  # of _correlation


@dataclass(frozen=True)
class Likeness:
    """score in [-1, 1], 1 is the same picture, and the number of the defect that is so alike; -1, -1 without any."""

    score: float
    number: int


@dataclass(frozen=True)
class Pose:
    """How an imprint is laid on another: turned (degrees), scaled, moved (pixels of SIZE), mirrored before."""

    turn: float
    scale: float
    x: float
    y: float
    mirrored: bool

    def matrix(self, size: int) -> NDArray[np.float64]:
        """(2, 3), of imprints of a side."""
        angle, centre = np.radians(self.turn), np.full(2, (size - 1) / 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = self.scale * turn * np.array([-1.0 if self.mirrored else 1.0, 1.0])
        moved = np.array([self.x, self.y]) * size / SIZE
        return np.column_stack([linear, centre + moved - linear @ centre])

    def moved(self, step: NDArray[np.float64]) -> "Pose":
        """Turned, scaled and moved by (4,) more."""
        turn, scale, x, y = step
        return Pose(self.turn + turn, self.scale + scale, self.x + x, self.y + y, self.mirrored)


STANDING = [Pose(turn, scale, 0, 0, mirrored) for mirrored in MIRRORED for turn in TURNS for scale in SCALES]
POSES = [Pose(p.turn, p.scale, x * SIZE / COARSE, y * SIZE / COARSE, p.mirrored) for p in STANDING for x, y in SHIFTS]


class Known:
    """Defects that a copy is looked for among."""

    def __init__(self, defects: Sequence[Drawn]) -> None:
        self.imprints = [imprint(defect) for defect in defects]
        self.groups = np.array([defect.group for defect in defects], object)
        small = [_small(each) for each in self.imprints]
        self._weight = np.array([weight for weight, _ in small]).reshape(-1, COARSE**2)
        self._residual = np.array([residual for _, residual in small]).reshape(-1, COARSE**2)
        self._reach = np.array([each.reach for each in self.imprints])

    def nearest(self, drawn: Drawn) -> Likeness:
        """The defect whose picture is most alike."""
        return self._nearest(imprint(drawn), np.ones(len(self.groups), bool))

    def nearest_of_others(self, drawn: Drawn) -> tuple[Likeness, Likeness | None]:
        """The nearest of another part, and where that was found under another group's name, the nearest there.

        Another group that shows the same picture, SAME or more, is the same part.
        """
        return self._nearest_of_others(imprint(drawn), drawn.group)

    def between_groups(self) -> list[Likeness]:
        """Of every known defect, the nearest of another part."""
        return [self._nearest_of_others(own, self.groups[i])[0] for i, own in enumerate(self.imprints)]

    def before(self, number: int, among: NDArray[np.bool_]) -> Likeness:
        """The nearest to a known defect of those known before it and marked in `among` (N,)."""
        return self._nearest(self.imprints[number], among & (np.arange(len(among)) < number))

    def _nearest_of_others(self, own: Imprint, group: str) -> tuple[Likeness, Likeness | None]:
        others, same = self.groups != group, None
        while (found := self._nearest(own, others)).score >= SAME:
            others, same = others & (self.groups != self.groups[found.number]), same or found
        return found, same

    def _nearest(self, own: Imprint, among: NDArray[np.bool_]) -> Likeness:
        size = self._reach / own.reach
        numbers = np.flatnonzero(among & (size < ZOOM) & (size > 1 / ZOOM))
        if not len(numbers):
            return Likeness(-1.0, -1)
        coarse = _coarse(own, self._weight[numbers], self._residual[numbers])
        likeliest = np.argsort(-coarse.max(axis=0), kind="stable")[:LIKELIEST]
        found = [
            Likeness(_refined(own, self.imprints[numbers[i]], POSES[coarse[:, i].argmax()]), int(numbers[i]))
            for i in likeliest
        ]
        return max(found, key=lambda likeness: likeness.score)


def duplicates(defects: Sequence[Drawn], limit: float) -> list[bool]:
    """Which repeat the picture of an earlier one of their class that is no repetition itself: a likeness over `limit`.

    The same shape is allowed.
    """
    known, labels = Known(defects), np.array([defect.label_name for defect in defects], object)
    first = np.ones(len(defects), bool)
    for number, label in enumerate(labels):
        first[number] = known.before(number, first & (labels == label)).score <= limit
    return [not each for each in first]


def _small(own: Imprint) -> tuple[Plane, Plane]:
    """Weight and residual at COARSE."""
    weight = cv2.resize(own.weight, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    total = cv2.resize(own.residual, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return weight.astype(np.float32), (total / np.maximum(weight, 1e-3)).astype(np.float32)


def _laid(weight: Plane, residual: Plane, pose: Pose) -> tuple[Plane, Plane]:
    """Weight and residual in a pose."""
    size = len(weight)
    moved, total = (cv2.warpAffine(plane, pose.matrix(size), (size, size)) for plane in (weight, weight * residual))
    return moved.astype(np.float32), (total / np.maximum(moved, 1e-3)).astype(np.float32)


def _coarse(own: Imprint, weight: Plane, residual: Plane) -> NDArray[np.float32]:
    """Correlation in all poses (P,) with the known (N,): (P, N); where too little overlaps, the less the lower."""
    weights, residuals = _everywhere(*_small(own))
    moments = (
        weights @ weight.T,
        (weights * residuals) @ weight.T,
        weights @ (weight * residual).T,
        (weights * residuals**2) @ weight.T,
        weights @ (weight * residual**2).T,
        (weights * residuals) @ (weight * residual).T,
    )
    share = moments[0] / np.maximum(weights.sum(axis=1)[:, None], weight.sum(axis=1))
    return np.where(share >= OVERLAP, _correlation(moments), share - 1)


def _everywhere(weight: Plane, residual: Plane) -> tuple[Plane, Plane]:
    """Weights and residuals at COARSE in all POSES, (P, COARSE ** 2) each."""
    moved = np.zeros((2, len(STANDING), len(SHIFTS), COARSE, COARSE), np.float32)
    for number, pose in enumerate(STANDING):
        padded = np.pad(np.stack(_laid(weight, residual, pose)), ((0, 0), (1, 1), (1, 1)))
        for place, (x, y) in enumerate(SHIFTS):
            moved[:, number, place] = padded[:, 1 - y : 1 - y + COARSE, 1 - x : 1 - x + COARSE]
    flat = moved.reshape(2, len(POSES), COARSE**2)
    return flat[0], flat[1]


def _refined(own: Imprint, other: Imprint, pose: Pose) -> float:
    """The best score that ever smaller steps from a pose lead to."""
    best, step = _score(own, other, pose), np.array(STEPS)
    for _ in range(ROUNDS):
        for axis in np.diag(step):
            scores = [(_score(own, other, near), near) for near in (pose.moved(axis), pose.moved(-axis))]
            score, near = max(scores, key=lambda pair: pair[0])
            if score > best:
                best, pose = score, near
        step = step / 2
    return best


def _score(own: Imprint, other: Imprint, pose: Pose) -> float:
    """The lower end of the correlation's interval in one pose; where too little overlaps, the less the lower."""
    weight, residual = _laid(own.weight, own.residual, pose)
    both = weight * other.weight
    overlap = both.sum()
    covered = overlap / max(weight.sum(), other.weight.sum())
    if covered < OVERLAP:
        return float(covered - 1)
    mine, its = both * residual, both * other.residual
    mixed, squares, its_squares = (mine * other.residual).sum(), (mine * residual).sum(), (its * other.residual).sum()
    correlation = _correlation((overlap, mine.sum(), its.sum(), squares, its_squares, mixed))
    share = np.sqrt(own.patches / own.weight.sum() * other.patches / other.weight.sum())
    error = 1 / np.sqrt(max(1.0, overlap * share - 3))
    return float(np.tanh(np.arctanh(np.clip(correlation, -0.9999, 0.9999)) - ERRORS * error))


def _correlation(moments: Moments) -> NDArray:
    """Of two variables: sums of their common weight, of each, of the square of each and of their product."""
    weight, own, other, own_square, other_square, product = moments
    weight = np.maximum(weight, 1e-6)
    spread = np.maximum(own_square - own**2 / weight, 1e-9) * np.maximum(other_square - other**2 / weight, 1e-9)
    return (product - own * other / weight) / np.sqrt(spread)
