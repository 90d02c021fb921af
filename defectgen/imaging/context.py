"""The look of the ring around a defect, so that its shape can be put where a clean picture looks alike.

A picture is described by planes: brightness, contrast at two scales, strength and direction of its lines (the structure
tensor in double angles), signed distance to the edge of the part. A ring is points about a shape, told apart by the
direction they lie in, and points inside the shape. Carried by a similarity onto another picture they are read there in
the shape's own axes, so a ring with an edge at its left looks like another with an edge at its left, however turned.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.distance import to_outside
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.place import reached

LONGEST = 256  # side of the planes of a large picture
FINE, COARSE = 1.5, 6.0  # scales of the contrast and of the lines, in pixels of the planes
SECTORS = 8
DISTANCES = (0.15, 0.5, 1.0)  # of the ring's points from the shape, in sizes of the shape
PER_DISTANCE, WITHIN = 64, 64  # points of a ring at each distance, and inside the shape
SMALLEST = 10.0  # size of a dot, in pixels: a smaller ring sees single pixels only
FARTHEST = 4.0  # standard deviations: one feature alone does not decide
POOLED = 10.0  # defects that all classes together count for in the spread of each
LEAST_VARIANCE = 0.01  # features are of the order of one: smaller differences are noise
LEAST_WORTH = 0.05  # of a feature that differs at a class's own places as much as anywhere

Points = NDArray[np.float64]
Plane = NDArray[np.float32]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class Surface:
    """A picture's planes.

    planes (h, w, 6): brightness, fine and coarse contrast (logarithm), lines (cos, sin of twice their angle, times
    their strength from 0 to 1), native pixels from the part's edge, negative outside. zoom: native pixels per pixel.
    """

    planes: NDArray[np.float32]
    zoom: float

    @classmethod
    def of(cls, pixels: Pixels, part: Mask | None, hidden: Mask | None = None) -> "Surface":
        """The planes of native pixels (H, W[, 3]).

        part (H, W) is where the product is, None: everywhere. hidden (H, W): pixels that must not be seen, because a
        defect lies there; what is about them is averaged without them.
        """
        zoom = max(1.0, max(pixels.shape[:2]) / LONGEST)
        size = (max(1, round(pixels.shape[1] / zoom)), max(1, round(pixels.shape[0] / zoom)))
        grey = pixels.astype(np.float32) if pixels.ndim == 2 else pixels.mean(axis=2, dtype=np.float32)
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        on = np.ones(grey.shape, bool) if part is None else _resized(part, size)
        seen = None if hidden is None else _unhidden(hidden, size)
        usual = on if seen is None or not (on & (seen > 0)).any() else on & (seen > 0)
        spread = max(float(grey[usual].std()), 1e-3 * np.iinfo(pixels.dtype).max)
        bright = (grey - np.median(grey[usual])) / spread
        planes = [_mean(bright, seen, FINE), _contrast(bright, seen, FINE), _contrast(bright, seen, COARSE)]
        return cls(np.dstack([*planes, *_lines(bright, seen), zoom * _from_edge(on)]).astype(np.float32), zoom)

    def at(self, points: Points) -> Features:
        """The planes (..., 6) at native pixels (..., 2) x, y; beside the picture what its border shows, and farther."""
        last = np.array(self.planes.shape[1::-1]) - 1
        place = (points + 0.5) / self.zoom - 0.5
        inside = np.clip(np.rint(place), 0, last).astype(np.int64)
        values = self.planes[inside[..., 1], inside[..., 0]]
        beside = np.linalg.norm(place - np.clip(place, -0.5, last + 0.5), axis=-1) * self.zoom
        values[..., 5] = np.where(beside > 0, np.minimum(values[..., 5], 0) - beside, values[..., 5])
        return values


@dataclass(frozen=True)
class Ring:
    """Where a shape's surroundings are looked at, in native pixels of its own picture.

    points (N, 2) about the shape; share (SECTORS, N): what each counts in the mean of a direction; inside (M, 2):
    points of the shape; size: square root of its area.
    """

    points: Points
    share: Features
    inside: Points
    size: float

    @classmethod
    def of(cls, shape: Mask, defects: Mask) -> "Ring":
        """The ring of a shape (H, W) that shows no pixel of any of the picture's defects (H, W)."""
        size = max(SMALLEST, float(np.sqrt(shape.sum())))
        x, y, width, height = cv2.boundingRect(shape.astype(np.uint8))
        box = shape[y : y + height, x : x + width]
        reach = int(np.ceil(size * DISTANCES[-1])) + 2
        wide = np.pad(box, reach)
        away = to_outside(~wide)
        corner = np.array([x, y]) - reach
        bands = [_spread(np.abs(away - size * share) < 1, PER_DISTANCE) + corner for share in DISTANCES]
        points, inside = np.concatenate(bands), _spread(wide, WITHIN) + corner
        free = points[~_on(defects, points)]
        points = free if len(free) else points
        return cls(points, _shares(points - inside.mean(axis=0)), inside, size)

    def look(self, surface: Surface, affines: NDArray[np.float64]) -> Features:
        """What the ring shows of a surface at each of several places: (K, F) for similarities (K, 2, 3)."""
        scale = np.sqrt(np.abs(np.linalg.det(affines[:, :, :2])))[:, None]
        values = surface.at(reached(self.points, affines))
        around = self.share @ values
        lines = _turned_back(around[..., 3:5], affines[:, :, :2] / scale[..., None])
        edge = self.share @ _squashed(values[..., 5:], scale[..., None] * self.size)
        parts = [around[..., :3].transpose(0, 2, 1), lines.transpose(0, 2, 1), edge.transpose(0, 2, 1)]
        depth = _squashed(surface.at(reached(self.inside, affines))[..., 5], scale * self.size).mean(axis=1)
        inner = np.repeat(depth[:, None, None], SECTORS, axis=2)  # counts as much as the ring's own distances
        return np.concatenate([*parts, inner], axis=1).reshape(len(affines), -1).astype(np.float32)

    def moved(self, surface: Surface, count: int) -> NDArray[np.float64]:
        """Shifts (count, 2, 3) that put the shape's centre on pixels of the part, evenly spread over it."""
        on_part = _spread(surface.planes[..., 5] > 0, count * count)
        chosen = (on_part[:: max(1, len(on_part) // count)] + 0.5) * surface.zoom - 0.5
        affines = np.repeat(np.eye(2, 3)[None], count, axis=0)
        affines[:, :, 2] = np.resize(chosen, (count, 2)) - self.inside.mean(axis=0)
        return affines

    def on_part(self, surface: Surface, affines: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share (K,) of the shape that lies on the part at each of several places."""
        return (surface.at(reached(self.inside, affines))[..., 5] > 0).mean(axis=1)


class Likeness:
    """How far two looks are apart, by what tells a class's own places from others.

    Every feature counts in units of how much it differs among a class's real defects, and the less the less it differs
    from what their rings show elsewhere on the same pictures.
    """

    def __init__(self, looks: Features, labels: NDArray[np.object_], weights: NDArray[np.float64], elsewhere: Features):
        """Measure training rings: looks (N, F) at their own places, elsewhere (N, R, F) at others.

        labels (N,); weights (N,): the defects of one group weigh one together.
        """
        own, away = {}, {}
        for label in set(labels):
            mine = labels == label
            mean = np.average(looks[mine], axis=0, weights=weights[mine])
            own[label] = np.average((looks[mine] - mean) ** 2, axis=0, weights=weights[mine])
            away[label] = np.average(((elsewhere[mine] - mean) ** 2).mean(axis=1), axis=0, weights=weights[mine])
        total = {label: float(weights[labels == label].sum()) for label in own}
        pooled = sum(total[label] * own[label] for label in own) / sum(total.values())
        self.spread, self.worth = {}, {}
        for label, variance in own.items():
            variance = (total[label] * variance + POOLED * pooled) / (total[label] + POOLED) + LEAST_VARIANCE
            worth = np.clip(1 - variance / (away[label] + LEAST_VARIANCE), LEAST_WORTH, 1)
            self.spread[label], self.worth[label] = np.sqrt(variance), worth / worth.sum()

    def distance(self, label: str, looks: Features, real: Features) -> NDArray[np.float64]:
        """Weighted root mean square difference (K,) of looks (K, F) from that of a real defect (F,) of a class."""
        apart = np.minimum(np.abs(looks - real) / self.spread[label], FARTHEST).astype(np.float64)
        return np.sqrt(apart**2 @ self.worth[label])


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask on planes of (width, height), where it is half of a pixel or more; where a mask is nowhere, its most."""
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return share >= min(0.5, 0.9 * share.max())


def _unhidden(hidden: Mask, size: tuple[int, int]) -> Plane:
    """1 where a plane of (width, height) shows nothing that is hidden, within two pixels, else 0."""
    touched = cv2.resize(hidden.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    return (cv2.dilate(touched.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0).astype(np.float32)


def _mean(plane: Plane, seen: Plane | None, scale: float) -> Plane:
    """The mean within `scale` pixels of those that are seen (None: all); the plain mean where none is."""
    if seen is None:
        return cv2.GaussianBlur(plane, (0, 0), scale).astype(np.float32)
    weight = cv2.GaussianBlur(seen, (0, 0), scale)
    mean = cv2.GaussianBlur(plane * seen, (0, 0), scale) / np.maximum(weight, 1e-3)
    return np.where(weight > 1e-3, mean, cv2.GaussianBlur(plane, (0, 0), scale)).astype(np.float32)


def _contrast(bright: Plane, seen: Plane | None, scale: float) -> Plane:
    """Logarithm of the standard deviation within `scale` pixels."""
    variance = _mean(bright**2, seen, scale) - _mean(bright, seen, scale) ** 2
    return 0.5 * np.log(np.maximum(variance, 0) + 1e-3)


def _lines(bright: Plane, seen: Plane | None) -> tuple[Plane, Plane]:
    """Structure tensor in double angles, its strength the coherence (Bigun and Granlund 1987)."""
    smooth = cv2.GaussianBlur(bright, (0, 0), 1.0)
    right, down = cv2.Sobel(smooth, -1, 1, 0, scale=0.125), cv2.Sobel(smooth, -1, 0, 1, scale=0.125)
    total = _mean(right**2 + down**2, seen, COARSE) + 1e-4
    return _mean(right**2 - down**2, seen, COARSE) / total, _mean(2 * right * down, seen, COARSE) / total


def _from_edge(part: Mask) -> Plane:
    """Pixels from the part's edge, or from the picture's where the part fills it; negative outside."""
    framed = np.pad(part, 1, constant_values=False) if part.all() else np.pad(part, 1, mode="edge")
    return (to_outside(framed) - to_outside(~framed))[1:-1, 1:-1]


def _spread(mask: Mask, count: int) -> Points:
    """At most `count` pixels (N, 2) x, y of a mask, evenly through its rows and columns."""
    found = np.argwhere(mask)[:, ::-1]
    return found[np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(np.int64)].astype(np.float64)


def _on(mask: Mask, points: Points) -> NDArray[np.bool_]:
    """Which points (N, 2) lie on a mask; none beside the picture does."""
    x, y = points.astype(np.int64).T
    within = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return within & mask[np.clip(y, 0, mask.shape[0] - 1), np.clip(x, 0, mask.shape[1] - 1)]


def _shares(offsets: Points) -> Features:
    """(SECTORS, N) what each point counts in the mean of a direction; an empty direction is the mean of all."""
    angle = np.arctan2(offsets[:, 1], offsets[:, 0])
    sector = np.floor((angle / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS
    member = (sector == np.arange(SECTORS)[:, None]).astype(np.float32)
    member[~member.any(axis=1)] = 1
    return member / member.sum(axis=1, keepdims=True)


def _squashed(distance: Features, size: NDArray[np.float64]) -> Features:
    """Signed distance in sizes of the shape, far away all the same: between -1 and 1."""
    return (distance / (np.abs(distance) + size)).astype(np.float32)


def _turned_back(lines: Features, turns: NDArray[np.float64]) -> Features:
    """Double angles (K, S, 2) on a picture, in the axes of the shape that `turns` (K, 2, 2) have turned or mirrored."""
    tensor = np.stack([lines, np.stack([lines[..., 1], -lines[..., 0]], axis=-1)], axis=-2)
    back = turns[:, None].transpose(0, 1, 3, 2) @ tensor @ turns[:, None]
    return back[..., 0, :].astype(np.float32)
