"""A product with one planned defect of every kind of size, and networks whose pictures are known beforehand."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from small import disc, put_mask, put_picture

from defectgen.imaging.blend import RIM
from defectgen.imaging.files import Mask, write_mask
from defectgen.imaging.square import Square
from defectgen.learn.asked import Asked
from defectgen.learn.cascade import Cascade
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.upsample import Upsampler
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, table
from defectgen.painter import Painter
from defectgen.source import Source
from defectgen.spec import DataSpec

SHAPE = (330, 360)
SPOTS: dict[str, tuple[Square, tuple[int, int, int]]] = {  # plan row -> its square; its disc: x, y, radius
    "small": (Square(40, 50, 64), (70, 80, 12)),
    "limit": (Square(40, 50, 96), (80, 95, 20)),
    "above": (Square(60, 40, 97), (100, 85, 20)),
    "large": (Square(100, 90, 180), (190, 180, 40)),
    "corner": (Square(-40, -30, 150), (22, 30, 35)),
    "huge": (Square(20, 10, 300), (170, 160, 80)),
}
LARGE = {"above", "large", "corner", "huge"}
LEVEL = -0.3  # of the surface, whose grain is 0.1 to either side, in [-1, 1]
SHARPEST = 256


class Brightening(Cascade):
    """Brightens the region less its rim by 0.5 where a defect is asked for, at 256 px by 0.8 and stripes.

    Asked for good surface it paints LEVEL and its grain. spoiled, of: side and classes whose pictures are not finite.
    asked: how many pictures each call to `low` was for; enlarged: class and seed of everything it was asked to enlarge.
    """

    def __init__(self, upsampler: bool = True, spoiled: int = 0, of: Sequence[int] = (0, 1)) -> None:
        super().__init__(cast(Inpainter, None), cast(Upsampler, self) if upsampler else None)
        self.spoiled, self.of, self.asked, self.enlarged = spoiled, of, list[int](), list[tuple[int, int]]()

    at_donor = False

    @property
    def detailed(self) -> list[int]:
        """The seeds of the defects it was asked to enlarge."""
        return [seed for label, seed in self.enlarged if label]

    def low(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        batch: int,
    ) -> NDArray[np.float32]:
        self.asked.append(len(patches))
        defect = np.float32(0.5)
        labels = [each.label for each in asked]
        drawn = [self._painted(*each, defect) for each in zip(patches, regions, labels, seeds, strict=True)]
        return np.stack(drawn)

    def high(
        self, clean: NDArray[np.float32], region: Mask, low: NDArray[np.float32], label: int, seed: int
    ) -> NDArray[np.float32]:
        assert clean.shape[1:] == (SHARPEST, SHARPEST) and region.shape == low.shape[1:] == (64, 64)
        self.enlarged.append((label, seed))
        stripes = np.float32(0.8 + 0.3 * (-1) ** (np.arange(SHARPEST) // 16))
        return self._painted(clean, region, label, seed, stripes)

    def _painted(
        self, patch: NDArray[np.float32], region: Mask, label: int, seed: int, defect: np.float32 | NDArray[np.float32]
    ) -> NDArray[np.float32]:
        size = patch.shape[1]
        grain = np.random.default_rng(seed).uniform(-0.1, 0.1, (64, 64)).repeat(size // 64, 0).repeat(size // 64, 1)
        where = middle(region).repeat(size // 64, 0).repeat(size // 64, 1)
        drawn = np.where(where, patch + defect if label else LEVEL + grain, patch)
        spoiled = size == self.spoiled and label in self.of
        return (np.nan * drawn if spoiled else drawn).astype(np.float32)


def middle(region: Mask) -> Mask:
    """Without the rim, whose brightness the composite fits to the surroundings'."""
    return binary_erosion(region, iterations=RIM, border_value=1)


def product(folder: Path, channels: int = 1, depth: int = 8, legal: Mask | None = None) -> tuple[Source, pd.DataFrame]:
    """Each planned defect on a clean picture of its own, its donor a dark disc at the same place, and the plan."""
    images: list[Row] = []
    instances: list[Row] = []
    rows: list[Row] = []
    size = SHAPE if channels == 1 else (*SHAPE, channels)
    region = {"legal_path": ""}
    if legal is not None:
        region = {"legal_path": "legal.png"}
        write_mask(folder / "legal.png", legal)
    for number, (name, (square, spot)) in enumerate(SPOTS.items()):
        grain, mask = np.random.default_rng(number).uniform(0.3, 0.4, size), disc(*spot, SHAPE)
        dark = np.where(mask if channels == 1 else mask[..., None], 0.05, grain)
        for kind, picture in (("clean", grain), ("broken", dark)):
            pixels = (picture * (2**depth - 1)).astype(np.uint8 if depth == 8 else np.uint16)
            images.append(put_picture(folder, f"{kind}-{name}", pixels) | region)
        instances.append(put_mask(folder, f"donor-{name}", f"broken-{name}", "pit", mask))
        place = {"x": square.x, "y": square.y, "side": square.side, "transform": [1.0, 0, 0, 0, 1, 0]}
        origin = {"clean_id": f"clean-{name}", "donor_id": f"donor-{name}", "image_id": f"drawn-{name}", "shard": 0}
        rows.append({"plan_id": name, "label": "pit", "seed": number, "attempts": 3, "batch": 2} | place | origin)
    return Source(Manifest(folder, table(images, IMAGES), table(instances, INSTANCES))), pd.DataFrame(rows)


def painter_of(cascade: Cascade, channels: int = 1) -> Painter:
    """Of a product with pits."""
    return Painter(cascade, DataSpec(channels, ["good", "pit"], 0.3, 64))
