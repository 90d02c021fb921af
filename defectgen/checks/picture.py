"""What must hold of one picture and its masks."""

from dataclasses import dataclass

import cv2
import numpy as np

from defectgen.errors import BadInput
from defectgen.formats.masks import Size
from defectgen.formats.records import Annotation, Record
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.read import TRANSPOSED, orientation, read_image
from defectgen.imaging.region import grow
from defectgen.imaging.square import MIN_SIDE, ZOOM, Square, shrink_mask
from defectgen.manifest import GOOD
from defectgen.problems import Problems

JOIN = 0.02  # fragments nearer than this share of the picture's diagonal are one defect
SHOWN = 4  # pixels a defect must cover in a region of MIN_SIDE pixels to be seen there


@dataclass(frozen=True)
class Defect:
    """One separate defect: part `number` of the annotation `annotation` of its picture, (H, W) True = defect."""

    label: str
    annotation: int
    number: int
    mask: Mask


@dataclass(frozen=True)
class Sample:
    """A picture that can be used, with its defects."""

    record: Record
    pixels: Pixels
    defects: list[Defect]


def examine(record: Record, problems: Problems) -> Sample:
    """Read a picture and its masks; what a person should look at is noted as a warning.

    Raises:
        BadInput: the picture or one of its masks cannot be used.
    """
    pixels = read_image(record.image)
    if pixels.min() == pixels.max():
        problems.warn(record.image, f"every pixel is {pixels.flat[0]}", "remove it, if the camera failed")
    if record.stated not in (None, pixels.shape[:2]):
        raise _misfit(record, record.where, record.stated, pixels.shape[:2])
    defects = []
    for order, annotation in enumerate(record.annotations):
        parts = split_defects(_fitting(annotation, record, pixels.shape[:2], problems))
        defects += [Defect(annotation.label, order, number, part) for number, part in enumerate(parts)]
        hidden = sum(_pixels_shown(part) < SHOWN for part in parts)
        if hidden:
            what = f"{hidden} of {len(parts)} defects cover under {SHOWN} pixels of a {MIN_SIDE} px region"
            problems.warn(annotation.mask.where, what, "remove the specks, or photograph the defect larger")
    return Sample(record, pixels, defects)


def split_defects(mask: Mask) -> list[Mask]:
    """The separate defects of one mask: fragments within JOIN of each other stay together."""
    reach = JOIN * np.hypot(*mask.shape) / 2
    count, numbered = cv2.connectedComponents(grow(mask, reach).astype(np.uint8))
    return [mask & (numbered == number) for number in range(1, count)]


def _fitting(annotation: Annotation, record: Record, shape: Size, problems: Problems) -> Mask:
    """The mask of an annotation, if it fits the picture and marks a part of it."""
    mask, where = annotation.mask.read(problems), annotation.mask.where
    if mask.shape != shape:
        raise _misfit(record, where, mask.shape, shape)
    share = mask.mean()
    if share == 0:
        raise BadInput(where, "an empty mask", f"draw the defect, or move its picture to {GOOD}/")
    if share == 1:
        raise BadInput(where, "a mask of the whole picture", "mark the defect only; it needs surroundings")
    if share > 0.5:
        problems.warn(where, f"marks {share:.0%} of the picture", "is it inverted? white is defect")
    if orientation(record.image) != 1 and _stored(record, shape) == shape:
        what = "EXIF turns it, and its mask fits it either way"
        problems.warn(record.image, what, "look whether they match; save it upright, without EXIF orientation")
    return mask


def _misfit(record: Record, where: str, size: Size, shape: Size) -> BadInput:
    """What is drawn for a size that its picture has not."""
    what = f"made for {size[1]} x {size[0]} pixels, its picture has {shape[1]} x {shape[0]}"
    if orientation(record.image) != 1 and _stored(record, shape) == size:
        return BadInput(where, f"{what} as EXIF turns it", "save the picture as it is stored, without EXIF orientation")
    return BadInput(where, what, "draw it on the picture as it is now")


def _stored(record: Record, shape: Size) -> Size:
    """The size of a picture before EXIF turns it."""
    return (shape[1], shape[0]) if orientation(record.image) in TRANSPOSED else shape


def _pixels_shown(part: Mask) -> int:
    """About how many pixels a defect covers in a region as loosely cut as any; exact where they are few."""
    x, y, width, height = cv2.boundingRect(part.astype(np.uint8))
    side = max(MIN_SIDE, round(max(width, height) * ZOOM[1]))
    area = int(np.count_nonzero(part) * (MIN_SIDE / side) ** 2)
    if side == MIN_SIDE or area >= 2 * SHOWN:
        return area
    square = Square(x - (side - width) // 2, y - (side - height) // 2, side)
    return int(np.count_nonzero(shrink_mask(square.cut(part), MIN_SIDE)))
