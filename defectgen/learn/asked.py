"""Asked: what one picture is to show, told in every way there is; a network listens to its own term."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.caption import GOOD_SURFACE, caption, tone_of
from defectgen.imaging.files import Mask

Picture = NDArray[np.float32]  # (C, H, W) in [-1, 1]


@dataclass(frozen=True)
class Asked:
    """A class number, a caption, and as an example (C + 1, H, W) a picture beside the mask of its defect."""

    label: int
    text: str
    reference: Picture

    @classmethod
    def only(cls, label: int, patch: Picture) -> "Asked":
        """Nothing but a class number is told of what is drawn into `patch` (C, H, W)."""
        return cls(label, "", no_reference(patch))

    @classmethod
    def good(cls, patch: Picture) -> "Asked":
        """Good surface such as `patch` (C, H, W) shows, which is another one than is drawn into."""
        return cls(0, GOOD_SURFACE, reference_of(patch, np.zeros(patch.shape[1:], bool)))

    @classmethod
    def like(cls, donor: Picture, mask: Mask, label: int, name: str, shape: Mask, at_edge: bool) -> "Asked":
        """A defect of class `name` in a shape (H, W), with the tone of a donor (C, H, W) and its mask there (H, W)."""
        return cls(label, caption(name, shape, tone_of(donor, mask), at_edge), reference_of(donor, mask))


def reference_of(patch: Picture, mask: Mask) -> Picture:
    """An example (C + 1, H, W) as `Condition.reference` has it."""
    return np.concatenate([patch, mask[None].astype(np.float32)])


def no_reference(patch: Picture) -> Picture:
    """What stands for none beside pictures like `patch` (C, H, W)."""
    return np.zeros((len(patch) + 1, *patch.shape[1:]), np.float32)
