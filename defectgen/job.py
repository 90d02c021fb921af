"""One defect to paint: its native square, its shape there, and what a network of 64 px needs of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.imaging.blend import reached
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.upsample import HIGH
from defectgen.manifest import make_seed
from defectgen.source import Source

Picture = NDArray[np.float32]  # (C, N, N) in [-1, 1]


@dataclass(frozen=True)
class Job:
    """What the network needs, and what the composite and the gates need afterwards.

    row: that of the plan, or of a real defect that is to be healed; with `label` and `seed`. group: of the part that
    shows the donor, or the real defect.
    """

    row: pd.Series
    group: str
    clean: Pixels  # (S, S[, 3]) native square before anything is painted
    shape: Mask  # (S, S), what of it lies in the picture
    legal: Mask  # (S, S), where in the picture a defect may lie
    patch: Picture  # (C, size, size)
    region: Mask  # (size, size)
    inside: tuple[slice, slice]  # the square's part that lies in the picture
    square: Square

    @classmethod
    def planned(cls, source: Source, row: pd.Series, size: int) -> "Job":
        """The job of a plan row, for a network of `size` pixels."""
        square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
        donor = source.images.loc[source.instances.loc[row["donor_id"], "image_id"]]
        picture, legal = source.pixels(row["clean_id"]), source.legal(row["clean_id"])
        return cls._of(row, donor["group"], picture, legal, source.planned_shape(row), square, size, REACH)

    @classmethod
    def healing(cls, source: Source, row: pd.Series, size: int) -> "Job":
        """The job of painting good surface where a real defect is; `row` is an instance's, with a `seed`."""
        picture, shape = source.pixels(row["image_id"]), source.manifest.read_mask(row)
        return cls.covering(source, row, picture, shape, size, REACH)

    @classmethod
    def covering(cls, source: Source, row: pd.Series, picture: Pixels, shape: Mask, size: int, reach: float) -> "Job":
        """The same where the defect's picture looks like `picture` by now, over all of `shape` in the square.

        reach: pixels at `size` by which the region exceeds the shape.
        """
        image = source.images.loc[row["image_id"]]
        box = (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
        square = Square.around(box, shape.shape, np.random.default_rng(make_seed(row["seed"], "square")))
        legal = source.legal(image["image_id"])
        return cls._of(row, image["group"], picture, legal, shape, square, size, reach)

    @classmethod
    def _of(
        cls,
        row: pd.Series,
        group: str,
        picture: Pixels,
        legal: Mask | None,
        shape: Mask,
        square: Square,
        size: int,
        reach: float,
    ) -> "Job":
        clean, region = square.cut(picture), grow(shrink_mask(square.cut(shape), size), reach)
        place, inside = square.inside(picture.shape)
        visible, allowed = np.zeros(clean.shape[:2], bool), np.zeros(clean.shape[:2], bool)
        visible[inside] = shape[place]
        allowed[inside] = True if legal is None else legal[place]
        return cls(row, group, clean, visible, allowed, to_float(shrink(clean, size)), region, inside, square)

    @property
    def support(self) -> Mask:
        """Where a composite may differ from `clean`, (S, S): nowhere beside the picture."""
        support = np.zeros(self.shape.shape, bool)
        support[self.inside] = reached(self.region, len(support))[self.inside]
        return support

    def pasted(self, picture: Pixels, result: Pixels) -> Pixels:
        """A copy of the square's picture with what was made of the square."""
        whole, (place, inside) = picture.copy(), self.square.inside(picture.shape)
        whole[place] = result[inside]
        return whole

    @property
    def large(self) -> Picture:
        """The native square (C, HIGH, HIGH)."""
        return to_float(shrink(self.clean, HIGH))
