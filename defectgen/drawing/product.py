"""A product: parts drawn from a seed and photographed, with or without a defect.

A part is known by its seed alone. Leave the defect away and the very same photograph shows the same part without it,
its clean twin; the mask says where the two differ.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.camera import Camera
from defectgen.drawing.defect import Defect, lay
from defectgen.drawing.light import Radiance, Surface, spread

VISIBLE = 4 / 255
"""A change of tone smaller than this, of a white level of 1, is no part of a defect."""


@dataclass(frozen=True)
class Photograph:
    """A picture of a part and where its defect is."""

    image: NDArray[np.uint8]
    """(H, W) grey or (H, W, 3) RGB."""
    clean: NDArray[np.uint8]
    """The clean twin: the same photograph without the defect."""
    mask: NDArray[np.bool_]
    """(H, W), true where the defect changed the picture: one connected region, or nothing on a clean part."""
    part: NDArray[np.bool_]
    """(H, W), true on the part, false on the background."""


class Product(ABC):
    """A kind of part and the station that photographs it."""

    @abstractmethod
    def surface(self, rng: np.random.Generator) -> Surface:
        """Draw a part's surface, without defects."""

    @abstractmethod
    def room(self, surface: Surface) -> NDArray[np.bool_]:
        """Where on `surface` (H, W) a defect may be."""

    @abstractmethod
    def render(self, surface: Surface, rng: np.random.Generator) -> tuple[Radiance, NDArray[np.bool_]]:
        """Draw pose and light and return the radiance (H, W, C) reaching the camera, and where the part is (H, W)."""

    def camera(self, radiance: Radiance, rng: np.random.Generator) -> Camera:
        """Draw the camera that takes a picture of `radiance` (H, W, C), the light of the part without a defect."""
        return Camera(exposure=rng.uniform(0.75, 1.3), blur=rng.uniform(0.55, 0.85), noise=rng.uniform(0.005, 0.010))

    def photograph(
        self, part: Sequence[int], shot: int = 0, defect: Defect | None = None, size: float | None = None
    ) -> Photograph:
        """Return photograph number `shot` of the part with the seed `part`, with one defect or none.

        The defect is `size` pixels long, or as long as its family usually is.

        Texture and defect depend on `part` alone; pose, light, exposure and noise on both numbers. Outside the mask
        the picture is bit-identical to that of the clean twin, the same call without a defect.

        Raises:
            ValueError: the defect finds no room.
        """
        blank = self.surface(np.random.default_rng([*part, 0]))
        radiance, silhouette = self.render(blank, np.random.default_rng([*part, 1, shot]))
        rng = np.random.default_rng([*part, 2, shot])
        camera = self.camera(radiance, rng)
        clean, grain = camera.develop(radiance), camera.grain(radiance.shape, rng)
        tones, mask = clean, np.zeros_like(silhouette)
        if defect is not None:
            marked = lay(blank, *defect.place(np.random.default_rng([*part, 3]), self.room(blank), size))
            radiance, _ = self.render(marked, np.random.default_rng([*part, 1, shot]))
            tones, mask = _merge(clean, camera.develop(radiance))
        picture, twin = (_squeezed(camera.sense(exposed, grain)) for exposed in (tones, clean))
        return Photograph(picture, twin, mask, silhouette)


def _squeezed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, C) without its last axis where it has one channel only."""
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _merge(clean: Radiance, marked: Radiance) -> tuple[Radiance, NDArray[np.bool_]]:
    """Return the tones (H, W, C) with everything invisible about the defect taken back, and the mask of the rest."""
    change = marked - clean
    # Blurred and closed, so that the line between a bright and a dark edge, where the change is nil, belongs to it too.
    seen = cv2.GaussianBlur(np.abs(change).max(-1), (0, 0), 0.6)
    closed = cv2.morphologyEx((seen > VISIBLE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    mask = _largest_component(np.asarray(closed, np.uint8))
    # Fading the change in from nothing at the mask's border leaves no step there.
    weight = np.where(mask, np.clip((seen - VISIBLE) / VISIBLE, 0, 1), 0).astype(np.float32)
    return clean + spread(weight, clean.shape[-1]) * change, mask


def _largest_component(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    largest = 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA]) if count > 1 else 1
    return np.asarray(labels == largest)
