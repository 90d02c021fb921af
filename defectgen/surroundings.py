"""What the training defects have about them, and how much the places of clean pictures look like it."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.imaging.context import Features, Likeness, Ring, Surface
from defectgen.imaging.region import find_part
from defectgen.source import Source

REMEMBERED = 192  # pictures whose planes are kept
ELSEWHERE = 8  # other places of its picture that a real defect's ring is carried to


@dataclass(frozen=True)
class Donor:
    """A training defect that lends its shape: ring, and what it shows there."""

    instance_id: str
    image_id: str
    label: str
    ring: Ring
    look: Features


class Surroundings:
    """The donors of each class, by id, and the likeness of any place to a donor's own.

    donors: by class. area: pixels of each donor's shape, by instance id.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.donors: dict[str, list[Donor]] = {}
        self.area: dict[str, int] = {}
        self._surfaces: OrderedDict[str, Surface] = OrderedDict()
        table, elsewhere = source.defects("train"), []
        for image_id, defects in table.groupby("image_id"):
            elsewhere += self._add(str(image_id), defects)
        for donors in self.donors.values():
            donors.sort(key=lambda donor: donor.instance_id)
        self.likeness = self._compare(dict(elsewhere))

    def distances(self, donor: Donor, image_id: str, affines: NDArray[np.float64]) -> NDArray[np.float64]:
        """How unlike (K,) a clean picture's places, maps (K, 2, 3), are to the donor's own, in standard deviations."""
        look = donor.ring.look(self._surface(image_id), affines)
        return self.likeness.distance(donor.label, look, donor.look)

    def on_part(self, donor: Donor, image_id: str, affines: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share (K,) of the donor's shape that lies on the part at each place."""
        return donor.ring.on_part(self._surface(image_id), affines)

    def _add(self, image_id: str, defects: pd.DataFrame) -> list[tuple[str, Features]]:
        """The donors of one picture; returns what each one's ring shows elsewhere on it."""
        masks = [self.source.manifest.read_mask(row) for _, row in defects.iterrows()]
        hidden = np.logical_or.reduce(masks)
        pixels = self.source.pixels(image_id)
        surface = Surface.of(pixels, find_part(pixels, self.source.legal(image_id)), hidden)
        elsewhere = []
        for (_, row), mask in zip(defects.iterrows(), masks, strict=True):
            ring = Ring.of(mask, hidden)
            donor = Donor(row["instance_id"], image_id, row["label"], ring, ring.look(surface, np.eye(2, 3)[None])[0])
            self.donors.setdefault(donor.label, []).append(donor)
            self.area[donor.instance_id] = int(mask.sum())
            elsewhere.append((donor.instance_id, ring.look(surface, ring.moved(surface, ELSEWHERE))))
        return elsewhere

    def _compare(self, elsewhere: dict[str, Features]) -> Likeness:
        every = [donor for donors in self.donors.values() for donor in donors]
        groups = [(donor.label, self.source.images.loc[donor.image_id, "group"]) for donor in every]
        weights = 1 / pd.Series(groups).map(pd.Series(groups).value_counts()).to_numpy(np.float64)
        looks = np.array([donor.look for donor in every])
        other = np.array([elsewhere[donor.instance_id] for donor in every])
        return Likeness(looks, np.array([donor.label for donor in every], object), weights, other)

    def _surface(self, image_id: str) -> Surface:
        """A clean picture's planes; the pictures asked for last are remembered."""
        if image_id not in self._surfaces:
            pixels = self.source.pixels(image_id)
            self._surfaces[image_id] = Surface.of(pixels, find_part(pixels, self.source.legal(image_id)))
            if len(self._surfaces) > REMEMBERED:
                self._surfaces.popitem(last=False)
        self._surfaces.move_to_end(image_id)
        return self._surfaces[image_id]
