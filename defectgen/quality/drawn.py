"""A defect with what it did to its picture: the form in which drawn, real and control ones are judged alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.square import shrink


@dataclass(frozen=True)
class Drawn:
    """One defect on its native square of side S.

    A drawn one: the clean square and what an attempt made of it. A real one: its square repainted as good, and as it
    is. A control: a clean square, and the same repainted as good where a defect was planned.

    label_name: its class. group: of the part that shows it, of a drawn one its donor's. clean, result: (S, S[, 3])
    before and after. shape (S, S): where it was planned, of a real one what the annotator marked. label (S, S): what
    changed. visible (S, S): how clearly, 1 for what is just a change; without a square to compare with, 1 on the label.
    support (S, S): where `result` may differ from `clean`. legal (S, S): where a defect may lie.
    """

    label_name: str
    group: str
    clean: Pixels
    result: Pixels
    shape: Mask
    label: Mask
    visible: NDArray[np.float32]
    support: Mask
    legal: Mask

    @property
    def side(self) -> int:
        """S, native pixels."""
        return self.result.shape[0]

    def patch(self, size: int) -> NDArray[np.float32]:
        """What a network of `size` pixels sees of `result`: (C, size, size) in [-1, 1]."""
        return to_float(shrink(self.result, size))
