"""Augmentation of training patches; the only file that imports albumentations."""

import os
import random

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its newest version when imported

import albumentations

_FLIPS = {
    "horizontal": albumentations.HorizontalFlip,
    "vertical": albumentations.VerticalFlip,
    "transpose": albumentations.Transpose,
}


class Augment:
    """The product's own symmetries and a little of the light's variation, drawn from an explicit seed."""

    def __init__(self, flips: list[str], light: float = 0.08) -> None:
        symmetries = [_FLIPS[flip](p=0.5) for flip in flips]
        brightness = albumentations.RandomBrightnessContrast(brightness_limit=light, contrast_limit=light, p=0.5)
        self.both = albumentations.Compose([*symmetries, brightness])
        self.shape = albumentations.Compose(symmetries)

    def pair(self, patch: NDArray[np.float32], mask: Mask, seed: int) -> tuple[NDArray[np.float32], Mask]:
        """A patch (C, H, W) in [-1, 1] and its mask (H, W), changed alike."""
        _reseed(self.both, seed)
        result = self.both(image=(patch.transpose(1, 2, 0) + 1) / 2, mask=mask.astype(np.uint8))
        changed = np.ascontiguousarray(result["image"].transpose(2, 0, 1)) * 2 - 1
        return changed.astype(np.float32), result["mask"].astype(bool)

    def alone(self, mask: Mask, seed: int) -> Mask:
        """A mask (H, W) by itself: a shape to be laid on a clean patch."""
        _reseed(self.shape, seed)
        return self.shape(image=mask.astype(np.uint8))["image"].astype(bool)


def _reseed(transforms: albumentations.Compose, seed: int) -> None:
    """One stream for all transforms: `set_random_seed` would give each the same one, and every coin the same side."""
    transforms.set_random_state(np.random.default_rng(seed), random.Random(seed))
