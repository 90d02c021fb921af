"""Where an annotated mask comes from: a file, polygons, or runs of pixels; each is decoded when it is asked for.

pycocotools decodes polygons and runs. It trusts what it is given: a truncated run-length code comes back as
uninitialised memory, a polygon far outside or with NaN never comes back. So everything is checked before.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from defectgen.errors import BadInput
from defectgen.imaging.files import Mask
from defectgen.imaging.read import read_mask_values, soft_pixels, to_mask
from defectgen.problems import Problems

Size = tuple[int, int]  # height, width
ANEW = "export the annotations anew"
LONGEST = 40  # bits of a run's length
OUTSIDE = 1.0  # pixels by which tools that round let a polygon leave its picture


class MaskSource(ABC):
    """One annotated mask, not yet decoded. `where` is what a message about it names."""

    where: str

    @abstractmethod
    def read(self, problems: Problems) -> Mask:
        """Decode it as (H, W) bool, True = defect; what a person should look at is noted as a warning.

        Raises:
            BadInput: it cannot be decoded.
        """


@dataclass(frozen=True)
class MaskFile(MaskSource):
    """A picture of the mask."""

    path: Path

    @property
    def where(self) -> str:  # type: ignore[override]
        return str(self.path)

    def read(self, problems: Problems) -> Mask:
        values = read_mask_values(self.path)
        mask = to_mask(values)
        soft = soft_pixels(values)
        if soft:
            what = f"{soft} pixels are neither black nor white; cut at one half"
            problems.warn(self.where, what, "save the mask in black and white, never as JPEG")
        return mask


@dataclass(frozen=True)
class Polygons(MaskSource):
    """Outlines in pixels, each (points, 2) of x, y; what lies in any of them is defect."""

    where: str
    outlines: list[NDArray[np.float64]]
    size: Size

    @classmethod
    def parse(cls, where: str, lists: list[Any], size: Size) -> "Polygons":
        """Of COCO's lists of x, y, x, y, ...

        Raises:
            BadInput: no numbers, under 3 points, or a point out of the picture.
        """
        outlines = []
        for flat in lists:
            if not isinstance(flat, list) or len(flat) % 2 or not all(map(_is_number, flat)):
                raise BadInput(where, "a polygon that is no list of x, y, x, y, ...", ANEW)
            if len(flat) < 6:
                raise BadInput(where, f"a polygon of {len(flat) // 2} points", "draw at least 3, or remove it")
            points = np.array(flat, np.float64).reshape(-1, 2)
            edge = np.array(size[::-1], np.float64)
            if not ((points >= -OUTSIDE) & (points <= edge + OUTSIDE)).all():
                far = points[~((points >= -OUTSIDE) & (points <= edge + OUTSIDE)).all(axis=1)][0]
                what = f"a polygon out of the picture at {far[0]:g}, {far[1]:g} of {size[1]} x {size[0]}"
                raise BadInput(where, what, "draw it on the picture as it is now")
            outlines.append(np.clip(points, 0, edge))
        return cls(where, outlines, size)

    def read(self, problems: Problems) -> Mask:
        encoded = coco.frPyObjects([outline.ravel().tolist() for outline in self.outlines], *self.size)
        return coco.decode(coco.merge(encoded)).astype(bool)


@dataclass(frozen=True)
class Runs(MaskSource):
    """Lengths of runs of background and defect in turn, down the columns."""

    where: str
    lengths: list[int]
    size: Size

    @classmethod
    def parse(cls, where: str, raw: dict[str, Any], size: Size) -> "Runs":
        """Of COCO's uncompressed (a list) or compressed (a string) run-length code.

        Raises:
            BadInput: it is of another size than its picture, or its runs do not fill it.
        """
        counts, stated = raw.get("counts"), raw.get("size")
        if stated != list(size):
            raise BadInput(where, f"a mask of size {stated}, its picture has {list(size)}", ANEW)
        lengths = list(_unpacked(counts)) if isinstance(counts, str) else counts
        if not isinstance(lengths, list) or not all(map(_is_length, lengths)):
            raise BadInput(where, "runs that are no list of lengths", ANEW)
        if sum(lengths) != size[0] * size[1]:
            what = f"runs of {sum(lengths)} pixels for a picture of {size[0] * size[1]}"
            raise BadInput(where, what, "the file was cut off or edited: export it anew")
        return cls(where, lengths, size)

    def read(self, problems: Problems) -> Mask:
        encoded = coco.frPyObjects({"size": list(self.size), "counts": self.lengths}, *self.size)
        return coco.decode(encoded).astype(bool)


def parse_segmentation(where: str, raw: Any, size: Size) -> MaskSource:
    """The mask of a COCO annotation of a picture of this size.

    Raises:
        BadInput: there is none, or it is broken.
    """
    if isinstance(raw, dict):
        return Runs.parse(where, raw, size)
    if isinstance(raw, list) and raw:
        return Polygons.parse(where, raw, size)
    raise BadInput(where, "no segmentation", "draw the outline of the defect; a box alone does not say its shape")


def _unpacked(code: str) -> Iterator[int]:
    """The run lengths of COCO's compressed code: 5 bits a character, from the fourth on the change from two before."""
    lengths: list[int] = []
    value = shift = 0
    for letter in code:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if shift > LONGEST:
            yield -1  # no length of a run; and no number to grow for ever
            return
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        yield lengths[-1]
        value = shift = 0


def _is_length(value: object) -> bool:
    """Also false for true, and for what has too many digits to be added up or printed."""
    return type(value) is int and 0 <= value <= 2**LONGEST


def _is_number(value: object) -> bool:
    """Also false for true, for NaN, and for what has more digits than a float can hold."""
    return (type(value) is float and value == value) or (type(value) is int and abs(value) <= 2**LONGEST)
