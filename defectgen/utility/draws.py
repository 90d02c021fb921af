"""What detectors are trained on: examples as a pure function of (seed, running index), paired across the arms.

Whether example i is good or defective, which real picture it would be and how it is augmented is the same in every
arm; an arm only replaces some of the real pictures by its own. So arms of one seed differ by what is added, not by
luck.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from defectgen.errors import UserError
from defectgen.imaging.augment import AugmentPicture
from defectgen.utility.types import UNKNOWN, Picture

Item = TypeVar("Item")
GOOD = 0  # class number
GOOD_SHARE = 0.5  # of all examples
MOST_ADDED = 0.5  # largest ratio: real defects are at least half of all defect draws


class Example(TypedDict):
    """One training example, or a batch of them."""

    pixels: Tensor  # (C, S, S) float32 in [-1, 1]
    classes: Tensor  # (S, S) int64, the class number of each pixel, UNKNOWN where it is a defect without one
    named: Tensor  # (K,) bool, the classes the picture may be called by


class Draws(Dataset[Example]):
    """Example number i of an endless stream, for i below `length`.

    Args:
        real: the training pictures, good and defective.
        added_defects: the arm's own defects.
        added_good: the arm's own good pictures.
        augmented: whether standard augmentation is applied, to real and added pictures alike.
        flips: the product's symmetries.
        ratio: share of the defect draws that come from the added defects, and of the good draws that come from the
            added good pictures; without any of a kind, all of it is real.
        length: number of examples.
        seed: of every choice.

    Raises:
        UserError: no real defect, no real good picture, or a ratio outside [0, 0.5].
    """

    def __init__(
        self,
        real: Sequence[Picture],
        added_defects: Sequence[Picture],
        added_good: Sequence[Picture],
        augmented: bool,
        flips: list[str],
        ratio: float,
        length: int,
        seed: int,
    ) -> None:
        if not 0 <= ratio <= MOST_ADDED:
            raise UserError(f"evaluate: ratio {ratio:g}: real defects are at least half of all draws; use 0 to 0.5")
        self.real, self.added = _Pool(real), _Pool([*added_defects, *added_good])
        for kind, found in (("shows a defect", self.real.defects), ("is good", GOOD in self.real.groups)):
            if not found:
                raise UserError(f"evaluate: no training picture {kind}; add some or change ingest.fractions")
        self.augment = AugmentPicture(flips) if augmented else None
        self.ratio, self.length, self.seed = ratio, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        picture, _ = self._choose(index)
        pixels, classes = picture.pixels, picture.classes
        if self.augment:
            pixels, classes = self.augment(pixels, classes, int(self._streams(index)[2].integers(2**32)))
        return Example(
            pixels=torch.tensor(pixels),
            classes=torch.tensor(classes, dtype=torch.int64),
            named=torch.tensor(picture.named),
        )

    def real_share(self) -> float:
        """Share of real pictures among the defect draws of the whole stream, counted."""
        choices = [self._choose(index) for index in range(self.length)]
        added = [is_added for picture, is_added in choices if not picture.good]
        return 1 - sum(added) / len(added) if added else 1.0

    def _streams(self, index: int) -> list[np.random.Generator]:
        """Separate random numbers for the real choice, the added one and the augmentation."""
        return np.random.default_rng((self.seed, index)).spawn(3)

    def _choose(self, index: int) -> tuple[Picture, bool]:
        """The picture of an example, and whether it is an added one; that is of the same class as the real one.

        So every arm draws every class equally often, whichever classes it has defects of to add.
        """
        for_real, for_added, _ = self._streams(index)
        label = GOOD if for_real.random() < GOOD_SHARE else _any(for_real, self.real.defects)
        real = _any(for_real, _any(for_real, self.real.of(label)))
        added = self.added.of(label)
        if added and for_added.random() < self.ratio:
            return _any(for_added, _any(for_added, added)), True
        return real, False


class _Pool:
    """Pictures to draw from, by class and group; the good ones are class GOOD, and all of one group."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        groups: dict[int, dict[str, list[Picture]]] = defaultdict(lambda: defaultdict(list))
        for picture in pictures:
            for label in _classes(picture):
                groups[label]["" if label == GOOD else picture.group].append(picture)
        self.groups = {label: [some[name] for name in sorted(some)] for label, some in groups.items()}
        self.defects = sorted(self.groups.keys() - {GOOD})

    def of(self, label: int) -> list[list[Picture]]:
        """Its pictures of a class, else its defects without a class, group by group.

        A group is drawn before a picture: an often-photographed part must not be most of what a detector sees.
        """
        return self.groups.get(label) or (self.groups.get(UNKNOWN, []) if label != GOOD else [])


def _any(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    return items[int(rng.integers(len(items)))]


def _classes(picture: Picture) -> list[int]:
    """The classes a picture is drawn for; defects without a class are a class of their own."""
    return [UNKNOWN] if UNKNOWN in picture.classes else np.flatnonzero(picture.named).tolist()
