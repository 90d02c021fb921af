"""One defect to paint: its native square, its shape there, and what a network of 64 px needs of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.imaging.blend import reached
from defectgen.imaging.caption import near_edge
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.poisson import membrane
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.asked import Asked
from defectgen.learn.upsample import HIGH
from defectgen.manifest import GOOD, make_seed
from defectgen.source import Source

Picture = NDArray[np.float32]  # (C, N, N) in [-1, 1]


@dataclass(frozen=True)
class Job:
    """What the network needs, and what the composite and the gates need afterwards.

    source: the real pictures. row: that of the plan, or of a real defect that is to be healed; with `label` and `seed`.
    origin: the donor's instance id, or the real defect's.
    """

    source: Source
    row: pd.Series
    origin: str
    clean: Pixels  # (S, S[, 3]) native square before anything is painted
    shape: Mask  # (S, S), what of it lies in the picture
    legal: Mask  # (S, S), where in the picture a defect may lie
    patch: Picture  # (C, size, size)
    small: Mask  # (size, size), the shape
    region: Mask  # (size, size)
    inside: tuple[slice, slice]  # the square's part that lies in the picture
    square: Square

    @classmethod
    def planned(cls, source: Source, row: pd.Series, size: int) -> "Job":
        """The job of a plan row, for a network of `size` pixels."""
        square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
        shape, picture = source.planned_shape(row), source.pixels(row["clean_id"])
        return cls._of(source, row, row["donor_id"], row["clean_id"], picture, shape, square, size, REACH)

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
        square = _about(source, row, make_seed(row["seed"], "square"))
        return cls._of(source, row, row["instance_id"], row["image_id"], picture, shape, square, size, reach)

    @classmethod
    def _of(
        cls,
        source: Source,
        row: pd.Series,
        origin: str,
        image_id: str,
        picture: Pixels,
        shape: Mask,
        square: Square,
        size: int,
        reach: float,
    ) -> "Job":
        clean, small = square.cut(picture), shrink_mask(square.cut(shape), size)
        place, inside = square.inside(picture.shape)
        visible, allowed = np.zeros(clean.shape[:2], bool), square.allowed(picture.shape, source.legal(image_id))
        visible[inside] = shape[place]
        patch, region = to_float(shrink(clean, size)), grow(small, reach)
        return cls(source, row, origin, clean, visible, allowed, patch, small, region, inside, square)

    @property
    def group(self) -> str:
        """That of the part which shows the donor, or the real defect."""
        return str(self.source.images.loc[self.source.instances.loc[self.origin, "image_id"], "group"])

    def asked(self, label: str, number: int) -> Asked:
        """What is to be drawn: class `label`, of that number; good surface or a defect like an example of its class."""
        if label == GOOD:
            return Asked.good(self.surface)
        at_edge = near_edge(self.shape, self.legal)
        example = self.example if label == self.shows else self.other_example
        return Asked.like(*example, number, label, self.small, at_edge)

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

    @property
    def shows(self) -> str:
        """The donor's label."""
        return str(self.source.instances.loc[self.origin, "label"])

    @cached_property
    def example(self) -> tuple[Picture, Mask]:
        """A region about the donor, or the real defect, (C, size, size), and its mask there (size, size)."""
        return self._about(self.origin)

    @cached_property
    def other_example(self) -> tuple[Picture, Mask]:
        """The same of a training defect of the planned class, by lot, where the donor is of another."""
        defects = self.source.defects("train")
        own = sorted(defects.index[defects["label"] == self.row["label"]])
        return self._about(own[make_seed(self.row["seed"], "other example") % len(own)])

    def _about(self, instance_id: str) -> tuple[Picture, Mask]:
        row, size = self.source.instances.loc[instance_id], self.region.shape[0]
        square = _about(self.source, row, make_seed(self.row["seed"], "example"))
        patch = to_float(shrink(square.cut(self.source.pixels(row["image_id"])), size))
        return patch, shrink_mask(square.cut(self.source.defects_like(instance_id)), size)

    @cached_property
    def surface(self) -> Picture:
        """A region of another picture's clean training surface (C, size, size), by lot; zeros where there is none."""
        images = self.source.clean("train")
        if not images:
            return np.zeros_like(self.patch)
        rng = np.random.default_rng(make_seed(self.row["seed"], "surface"))
        pixels = self.source.pixels(images[rng.integers(len(images))])
        height, width = pixels.shape[:2]
        box = (int(rng.integers(width)), int(rng.integers(height)), 1, 1)
        square = Square.around(box, (height, width), rng)
        return to_float(shrink(square.cut(pixels), self.region.shape[0]))

    @cached_property
    def donated(self) -> Picture:
        """The patch with the donor's own pixels in the region, their brightness fitted to its edge."""
        pixels = self.square.cut(self.source.donated(self.row))
        pasted = membrane(self.clean, pixels, reached(self.region, len(self.clean)))
        return np.where(self.region, to_float(shrink(pasted, self.region.shape[0])), self.patch)


def _about(source: Source, row: pd.Series, seed: int) -> Square:
    """The square about a real defect, an instance's row, as training regions are cut."""
    box = (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
    return Square.around(box, source.shape(row["image_id"]), np.random.default_rng(seed))
