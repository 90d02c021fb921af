"""A part's own coordinates, so that a defect seen on one picture can be put at the same place of another.

The origin is the centre of the legal region, the first axis its longest direction, pointing to where the mass is
spread thinner (a screw's tip), lengths are in standard deviations of the region. Where the whole picture is legal,
the axes are the picture's and lengths are half its sides: position then means position in the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask


@dataclass(frozen=True)
class Frame:
    """origin (2,) pixels (x, y); axes (2, 2): column i is one unit along part axis i, in pixels."""

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def of(cls, legal: Mask | None, shape: tuple[int, int]) -> "Frame":
        """The frame of a legal region, or of a whole picture of (height, width)."""
        if legal is None:
            half = np.array([shape[1], shape[0]]) / 2
            return cls(half, np.diag(half))
        points = np.argwhere(legal)[:, ::-1].astype(np.float64)
        origin = points.mean(axis=0)
        spread = (points - origin).T @ (points - origin) / len(points)
        values, vectors = np.linalg.eigh(spread + np.eye(2) / 12)  # a pixel's own extent: a line has a width too
        axes = vectors[:, ::-1]
        if (((points - origin) @ axes[:, 0]) ** 3).mean() < 0:
            axes = axes * np.array([-1, 1])
        if np.linalg.det(axes) < 0:  # keep a right-handed frame: a part is turned, never mirrored, into its own
            axes = axes * np.array([1, -1])
        return cls(origin, axes * np.sqrt(values[::-1]))

    def inward(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Picture pixels (2,) to part coordinates."""
        return np.linalg.solve(self.axes, point - self.origin).astype(np.float64)

    def outward(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Part coordinates (2,) to picture pixels."""
        return self.origin + self.axes @ place

    def angle(self) -> float:
        """Direction of the first axis in degrees, from the picture's x axis towards its y axis."""
        return float(np.degrees(np.arctan2(self.axes[1, 0], self.axes[0, 0])))
