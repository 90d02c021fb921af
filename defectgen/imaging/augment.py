"""Augmentation of training patches; the only file that imports albumentations."""

import os
import random

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for its newest version when imported

import albumentations
import cv2

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
        changed, shape = _applied(self.both, patch, mask.astype(np.uint8), seed)
        return changed, shape.astype(bool)

    def alone(self, mask: Mask, seed: int) -> Mask:
        """A mask (H, W) by itself: a shape to be laid on a clean patch."""
        _reseed(self.shape, seed)
        return self.shape(image=mask.astype(np.uint8))["image"].astype(bool)


class AugmentPicture:
    """Standard augmentation of whole pictures: symmetries and light, and every other one shifted, zoomed and turned."""

    def __init__(self, flips: list[str], light: float = 0.2, shift: float = 0.05, zoom: float = 0.1, turn: float = 5):
        """shift is in sides of the picture, zoom the largest change of scale, turn in degrees; all in both ways."""
        symmetries = [_FLIPS[flip](p=0.5) for flip in flips]
        brightness = albumentations.RandomBrightnessContrast(brightness_limit=light, contrast_limit=light, p=0.5)
        self.still = albumentations.Compose([*symmetries, brightness])
        motion = albumentations.Affine(
            scale=(1 - zoom, 1 + zoom),
            translate_percent=(-shift, shift),
            rotate=(-turn, turn),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.5,
        )
        self.motion = albumentations.Compose([motion])

    def __call__(
        self, pixels: NDArray[np.float32], classes: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """A picture (C, S, S) in [-1, 1] and the class number of each of its pixels (S, S), changed alike.

        It stays in its place where moving it would lose a class: it would then show nothing of what it is called by.
        """
        pixels, classes = _applied(self.still, pixels, classes, seed)
        moved_pixels, moved_classes = _applied(self.motion, pixels, classes, seed)
        kept = np.isin(np.unique(classes), moved_classes).all()
        return (moved_pixels, moved_classes) if kept else (pixels, classes)


def _applied(
    transforms: albumentations.Compose, pixels: NDArray[np.float32], mask: NDArray[np.uint8], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    _reseed(transforms, seed)
    result = transforms(image=(pixels.transpose(1, 2, 0) + 1) / 2, mask=mask)
    changed = np.ascontiguousarray(result["image"].transpose(2, 0, 1)) * 2 - 1
    return changed.astype(np.float32), result["mask"]


def _reseed(transforms: albumentations.Compose, seed: int) -> None:
    """One stream for all transforms: `set_random_seed` would give each the same one, and every coin the same side."""
    transforms.set_random_state(np.random.default_rng(seed), random.Random(seed))
