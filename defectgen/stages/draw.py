"""draw: photograph a procedural product, clean and with defects of known shape, as a source folder to start from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from defectgen.drawing.families import FAMILIES
from defectgen.drawing.plate import BrushedPlate
from defectgen.drawing.product import Product
from defectgen.errors import UserError
from defectgen.formats.folders import MASKS
from defectgen.formats.rows import TABLE
from defectgen.imaging.files import write_atomic, write_image, write_mask
from defectgen.manifest import GOOD

MOST_SHOTS = 3  # photographs of one part


@dataclass(frozen=True)
class _Picture:
    """One photograph to take: number `shot` of a part known by its label and its number within it."""

    label: str
    index: int
    part: int
    shot: int

    @property
    def image_path(self) -> str:
        return f"{self.label}/{self.index:04d}.png"

    @property
    def mask_path(self) -> str:
        return "" if self.label == GOOD else f"{MASKS}/{self.image_path}"

    @property
    def group(self) -> str:
        return f"{self.label}-{self.part:04d}"


def draw(
    out: Path,
    *,
    product: Product = BrushedPlate(),  # noqa: B008 - stateless
    clean: int = 200,
    per_class: int = 12,
    seed: int = 0,
) -> str:
    """Draw pictures of a product as class folders with masks and a table; return the SHA-256 of all that was written.

    A picture depends on the seed, its label and its index alone: asking for more pictures keeps the first ones.

    Args:
        out: folder the pictures are written to; what is there under the same names is replaced.
        product: what the pictures show.
        clean: number of pictures without a defect.
        per_class: number of pictures of each class of defect.
        seed: decides everything.

    Raises:
        UserError: a number is negative.
    """
    for name, number in (("clean", clean), ("per_class", per_class), ("seed", seed)):
        if number < 0:
            raise UserError(f"draw.{name}: {number} is negative; use 0 or more")
    counts = {GOOD: clean} | dict.fromkeys(FAMILIES, per_class)
    pictures = [picture for label, count in counts.items() for picture in _pictures(label, count, seed)]
    for picture in tqdm(pictures, desc="draw", unit="picture", disable=None):
        _take(picture, product, out, seed)
    write_atomic(out / TABLE, _table(pictures).to_csv(index=False, lineterminator="\n").encode())
    return _digest(out, pictures)


def _pictures(label: str, count: int, seed: int) -> list[_Picture]:
    """Parts are photographed one to three times each until there are `count` pictures."""
    rng = np.random.default_rng([seed, _number(label)])
    shots = rng.integers(1, MOST_SHOTS + 1, size=count)
    taken = [(part, shot) for part, number in enumerate(shots) for shot in range(number)]
    return [_Picture(label, index, part, shot) for index, (part, shot) in enumerate(taken[:count])]


def _take(picture: _Picture, product: Product, out: Path, seed: int) -> None:
    part = [seed, _number(picture.label), picture.part]
    photograph = product.photograph(part, picture.shot, FAMILIES.get(picture.label))
    write_image(out / picture.image_path, photograph.image)
    if picture.mask_path:
        write_mask(out / picture.mask_path, photograph.mask)


def _number(label: str) -> int:
    return [GOOD, *FAMILIES].index(label)


def _table(pictures: list[_Picture]) -> pd.DataFrame:
    columns = ["image_path", "mask_path", "label", "group"]
    return pd.DataFrame([[getattr(picture, column) for column in columns] for picture in pictures], columns=columns)


def _digest(out: Path, pictures: list[_Picture]) -> str:
    """SHA-256 over the sorted (path, content) of every file written."""
    paths = [TABLE, *(path for picture in pictures for path in (picture.image_path, picture.mask_path) if path)]
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path}\0{hashlib.sha256((out / path).read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
