"""What detectors are trained on: examples as a pure function of (seed, running index), paired across the arms.

Whether example i is good or defective, which real picture it would be and how it is augmented is the same in every
arm; an arm only replaces some of the real pictures by its own. So arms of one seed differ by what is added, not by
luck.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from defectgen.errors import UserError
from defectgen.imaging.augment import AugmentPicture
from defectgen.utility.types import UNKNOWN, Picture

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
        for kind, found in (("shows a defect", self.real.defects), ("is good", self.real.good)):
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
        """The picture of an example, and whether it is an added one."""
        for_real, for_added, _ = self._streams(index)
        good = bool(for_real.random() < GOOD_SHARE)
        picture = self.real.draw(for_real, good)
        if self.added.has(good) and for_added.random() < self.ratio:
            return self.added.draw(for_added, good), True
        return picture, False


class _Pool:
    """Pictures to draw from: the good ones, and the defects by class and group."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.good = [picture for picture in pictures if picture.good]
        self.defects: dict[int, dict[str, list[Picture]]] = defaultdict(lambda: defaultdict(list))
        for picture in pictures:
            for label in [] if picture.good else _classes(picture):
                self.defects[label][picture.group].append(picture)

    def has(self, good: bool) -> bool:
        return bool(self.good if good else self.defects)

    def draw(self, rng: np.random.Generator, good: bool) -> Picture:
        """A good picture uniformly; of the defects first the class, then the group, then the picture.

        So neither a frequent class nor an often-photographed part is most of what a detector sees.
        """
        if good:
            return self.good[rng.integers(len(self.good))]
        groups = self.defects[sorted(self.defects)[rng.integers(len(self.defects))]]
        pictures = groups[sorted(groups)[rng.integers(len(groups))]]
        return pictures[rng.integers(len(pictures))]


def _classes(picture: Picture) -> list[int]:
    """The classes a defective picture is drawn for; defects without a class are a class of their own."""
    return [UNKNOWN] if UNKNOWN in picture.classes else np.flatnonzero(picture.named).tolist()
