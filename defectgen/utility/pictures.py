"""Whole pictures at the detectors' size: how native pixels and masks become what detectors learn from."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.square import Square, shrink
from defectgen.manifest import make_seed
from defectgen.source import Source
from defectgen.spec import DataSpec
from defectgen.utility.types import UNKNOWN, Picture

ENOUGH = 0.25  # share of a pixel that must be defect for the pixel to count as one


def load(source: Source, spec: DataSpec, split: str, size: int) -> list[Picture]:
    """All pictures of a split, sorted by id; of a synthetic manifest the accepted ones."""
    manifest = source.manifest
    images = source.images[source.images["split"] == split].sort_index()
    defects = {str(image_id): rows for image_id, rows in manifest.accepted().groupby("image_id")}
    pictures = []
    for image_id, row in tqdm(images.iterrows(), desc=f"read {split}", total=len(images), unit="picture", disable=None):
        rows = defects[str(image_id)].iterrows() if image_id in defects else ()
        masks = [(spec.number(defect["label"]), manifest.read_mask(defect)) for _, defect in rows]
        pictures.append(picture(str(image_id), row["group"], manifest.read(row), masks, spec, size))
    return pictures


def picture(
    picture_id: str, group: str, pixels: Pixels, masks: Sequence[tuple[int, Mask]], spec: DataSpec, size: int
) -> Picture:
    """One native picture (H, W[, 3]) and its defects at (size, size); the proportions are not kept.

    masks: class number (or UNKNOWN) and full-size mask (H, W) of each defect, none of them empty. Where defects share
    a pixel, the smallest one has it.
    """
    classes = np.zeros((size, size), np.uint8)
    for number, mask in sorted(masks, key=lambda defect: -defect[1].sum()):
        classes[small_mask(mask, size)] = number
    named = np.zeros(len(spec.classes), bool)
    numbers = {number for number, _ in masks} or {0}
    named[slice(1, None) if UNKNOWN in numbers else list(numbers)] = True
    patches = [(number, _patch(pixels, mask, spec, picture_id)) for number, mask in masks]
    return Picture(picture_id, group, to_float(small(pixels, size)), classes, named, patches)


def _patch(pixels: Pixels, mask: Mask, spec: DataSpec, picture_id: str) -> NDArray[np.float32]:
    """A square about the defect, cut as `patch` cuts its training regions: one rule for real defects and all others."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
    square = Square.around(box, mask.shape, np.random.default_rng(make_seed(picture_id, *box)))
    return to_float(shrink(square.cut(pixels), spec.size))


def small(pixels: Pixels, size: int) -> Pixels:
    """Native pixels at (size, size): area averages along the sides that shrink, cubic along those that grow."""
    return _enlarged(_averaged(pixels, size), size, cv2.INTER_CUBIC)


def small_mask(mask: Mask, size: int) -> Mask:
    """A mask at (size, size) in which thin defects survive: a pixel is defect if a quarter of it is.

    If none is, the pixel most covered stands for the whole defect.
    """
    share = _enlarged(_averaged(mask.astype(np.float32), size), size, cv2.INTER_NEAREST_EXACT)
    return share >= min(ENOUGH, share.max())


def _averaged(pixels: NDArray, size: int) -> NDArray:
    """Only down: asked to enlarge one side, OpenCV's area interpolation aliases the other."""
    height, width = pixels.shape[:2]
    return cv2.resize(pixels, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)


def _enlarged(pixels: NDArray, size: int, how: int) -> NDArray:
    return cv2.resize(pixels, (size, size), interpolation=how)
