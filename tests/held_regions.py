"""Held-out real regions with enough native pixels to judge by what an upsampler draws."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, to_float
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.large import NATIVE
from defectgen.learn.upsample import FACTOR, HIGH, enlarged, reduced
from defectgen.manifest import Manifest, make_seed
from defectgen.source import Source
from defectgen.spec import DataSpec

LOTS = 16  # squares drawn about a defect until one has NATIVE pixels a side

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Held:
    """A held-out real region of NATIVE native pixels or more: picture (C, HIGH, HIGH), region (HIGH, HIGH)."""

    label: str
    number: int  # of its class
    group: str
    seed: int
    real: Picture
    region: Mask

    @cached_property
    def low(self) -> Picture:
        """Its own low-resolution version."""
        return reduced(torch.from_numpy(self.real)[None])[0].numpy()

    @cached_property
    def bicubic(self) -> Picture:
        """That, enlarged within the region."""
        smooth = enlarged(torch.from_numpy(self.low)[None])[0].numpy()
        return np.where(self.region, smooth, self.real)

    @property
    def noisy(self) -> Picture:
        """Bicubic's with as much white noise as it lacks detail: what looks at the amount alone is content with it."""
        lacking = (self.real - self.bicubic)[:, self.region].std()
        noise = np.random.default_rng(self.seed).normal(0, lacking, self.real.shape).astype(np.float32)
        return np.where(self.region, self.bicubic + noise, self.real)


def held_out(data: Path, name: str, split: str) -> list[Held]:
    """At most one region about every defect of a product's split."""
    source, spec = Source(Manifest.load(data / "ingest" / name)), DataSpec.load(data / "patch" / name)
    found = []
    for instance_id, row in source.defects(split).sort_values("image_id").iterrows():
        seed = make_seed("held out", instance_id)
        rng, box, shape = np.random.default_rng(seed), tuple(row[["x", "y", "w", "h"]]), source.shape(row["image_id"])
        large = [square for square in (Square.around(box, shape, rng) for _ in range(LOTS)) if square.side >= NATIVE]
        if large:
            real = to_float(shrink(large[0].cut(source.pixels(row["image_id"])), HIGH))
            mask = shrink_mask(large[0].cut(source.defects_like(str(instance_id))), HIGH // FACTOR)
            region = grow(mask, REACH).repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
            group = source.images.loc[row["image_id"], "group"]
            found.append(Held(row["label"], spec.number(row["label"]), group, seed, real, region))
    return found
