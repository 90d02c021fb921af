"""Drawn defects of which is known what is wrong with them, and a critic that knows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.region import grow
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import Evidence
from defectgen.spec import DataSpec

SIDE = 96
CLASSES = ("crack", "pit")


def ellipse(long: float = 18, wide: float = 9, x: int = 48, y: int = 46) -> Mask:
    """Half axes in pixels, about (x, y)."""
    axes = (round(long), round(wide))
    return cv2.ellipse(np.zeros((SIDE, SIDE), np.uint8), (x, y), axes, 20, 0, 360, 1, -1).astype(bool)


def surface(seed: int) -> Pixels:
    """Grain on a ramp, about 120."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 6, (SIDE, SIDE)), (0, 0), 0.8)
    return np.rint(120 + np.linspace(0, 10 * rng.normal(), SIDE) + grain).astype(np.uint8)


def lighter(pixels: Pixels, where: Mask, levels: float) -> Pixels:
    """By so many grey levels."""
    return np.where(where, np.clip(np.rint(pixels + np.float64(levels)), 0, 255), pixels).astype(np.uint8)


def defect(seed: int = 0, depth: float = 40, shape: Mask | None = None, **other: Any) -> Drawn:
    """A dark spot on its shape, drawn as planned and visible on its label; `other` fields as given."""
    shape = ellipse() if shape is None else shape
    clean, everywhere = surface(seed), np.ones((SIDE, SIDE), bool)
    result, visible = lighter(clean, shape, -depth), 3.0 * other.get("label", shape).astype(np.float32)
    made = Drawn("pit", f"part {seed}", clean, result, shape, shape, visible, grow(shape, 5), everywhere)
    return replace(made, **other)


def control(seed: int) -> Drawn:
    """A planned place repainted as good: grain like the old one, and a little of it taken for a change."""
    shape = ellipse()
    support, clean = grow(shape, 5), surface(seed)
    result = lighter(clean, support, 0) if seed % 2 else lighter(clean, ellipse(6, 3), 4)
    label, everywhere = ellipse(6, 3), np.ones_like(shape)
    return Drawn("pit", f"part {seed}", clean, result, shape, label, label.astype(np.float32), support, everywhere)


class Knowing:
    """A critic that is as sure of "pit" as a patch is dark in the middle, less so for a group it has been told."""

    spec = DataSpec(1, ["good", *CLASSES], 0.3, 64)

    def predict(self, patches: NDArray[np.float32], groups: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities (N, 3)."""
        pit = np.clip(0.5 - 2 * patches[:, 0, 28:34, 28:36].mean(axis=(1, 2)), 0.01, 0.99)
        pit = np.where(np.array(groups) == "odd part", 0.01, pit)
        return np.stack([0 * pit, 1 - pit, pit], axis=1).astype(np.float32)


def evidence(real: Sequence[Drawn] | None = None, controls: int = 40) -> Evidence:
    """Thirty real defects that differ a little in size and contrast, and controls."""
    rng = np.random.default_rng(0)
    sizes = rng.normal(1, 0.1, (30, 2))
    usual = [defect(seed, rng.normal(40, 5), ellipse(18 * long, 9 * wide)) for seed, (long, wide) in enumerate(sizes)]
    known = usual if real is None else real
    return Evidence(known, [control(100 + seed) for seed in range(controls)], known, Knowing())
