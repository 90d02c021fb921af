"""One defect to paint: its native square, its shape there, and what a network of 64 px needs of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.imaging.blend import reached
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.poisson import membrane
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.upsample import HIGH
from defectgen.manifest import make_seed
from defectgen.source import Source

Picture = NDArray[np.float32]  # (C, N, N) in [-1, 1]


@dataclass(frozen=True)
class Job:
    """What the network needs, and what the composite and the gates need afterwards.

    source: the real pictures. row: that of the plan, or of a real defect that is to be healed; with `label` and `seed`.
    group: of the part that shows the donor, or the real defect.
    """

    source: Source
    row: pd.Series
    group: str
    clean: Pixels  # (S, S[, 3]) native square before anything is painted
    shape: Mask  # (S, S), what of it lies in the picture
    legal: Mask  # (S, S), where in the picture a defect may lie
    patch: Picture  # (C, size, size)
    region: Mask  # (size, size)
    inside: tuple[slice, slice]  # the square's part that lies in the picture

    @classmethod
    def planned(cls, source: Source, row: pd.Series, size: int) -> "Job":
        """The job of a plan row, for a network of `size` pixels."""
        square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
        donor = source.images.loc[source.instances.loc[row["donor_id"], "image_id"]]
        return cls._of(source, row, row["clean_id"], source.planned_shape(row), square, donor["group"], size)

    @classmethod
    def healing(cls, source: Source, row: pd.Series, size: int) -> "Job":
        """The job of painting good surface where a real defect is; `row` is an instance's, with a `seed`."""
        image_id, shape = row["image_id"], source.manifest.read_mask(row)
        box = (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
        rng = np.random.default_rng(make_seed(row["seed"], "square"))
        square = Square.around(box, shape.shape, rng)
        return cls._of(source, row, image_id, shape, square, source.images.loc[image_id, "group"], size)

    @classmethod
    def _of(
        cls, source: Source, row: pd.Series, image_id: str, shape: Mask, square: Square, group: str, size: int
    ) -> "Job":
        picture, legal = source.pixels(image_id), source.legal(image_id)
        clean, region = square.cut(picture), grow(shrink_mask(square.cut(shape), size), REACH)
        place, inside = square.inside(picture.shape)
        visible, allowed = np.zeros(clean.shape[:2], bool), np.zeros(clean.shape[:2], bool)
        visible[inside] = shape[place]
        allowed[inside] = True if legal is None else legal[place]
        return cls(source, row, group, clean, visible, allowed, to_float(shrink(clean, size)), region, inside)

    @property
    def support(self) -> Mask:
        """Where a composite may differ from `clean`, (S, S): nowhere beside the picture."""
        support = np.zeros(self.shape.shape, bool)
        support[self.inside] = reached(self.region, len(support))[self.inside]
        return support

    @property
    def large(self) -> Picture:
        """The native square (C, HIGH, HIGH)."""
        return to_float(shrink(self.clean, HIGH))

    @property
    def shows(self) -> str:
        """The donor's label."""
        return str(self.source.instances.loc[self.row["donor_id"], "label"])

    @cached_property
    def donated(self) -> Picture:
        """The patch with the donor's own pixels in the region, their brightness fitted to its edge."""
        square = Square(int(self.row["x"]), int(self.row["y"]), int(self.row["side"]))
        pixels = square.cut(self.source.donated(self.row))
        pasted = membrane(self.clean, pixels, reached(self.region, len(self.clean)))
        return np.where(self.region, to_float(shrink(pasted, self.region.shape[0])), self.patch)
