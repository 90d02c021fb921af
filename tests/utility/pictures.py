"""Drawn pictures that the tests of draws and detectors share: squares on a grey ground."""

import numpy as np

from defectgen.spec import DataSpec
from defectgen.utility.types import UNKNOWN, Picture

SIZE = 64
SPEC = DataSpec(1, ["good", "bright", "dark"], 0.3, SIZE, ["horizontal", "vertical", "transpose"])
LIGHTNESS = {1: 0.9, 2: -0.9}  # of a square, by its class


def picture(number: int, *shown: int, group: str = "", side: int = 12) -> Picture:
    """A picture with one square for each class shown, somewhere in a corner of its own; UNKNOWN is a bright one."""
    rng = np.random.default_rng(number)
    pixels = rng.normal(0, 0.05, (1, SIZE, SIZE))
    classes = np.zeros((SIZE, SIZE), np.uint8)
    for corner, label in enumerate(shown):
        y, x = np.array(divmod(corner, 2)) * SIZE // 2 + rng.integers(2, SIZE // 2 - side, 2)
        place = slice(y, y + side), slice(x, x + side)
        pixels[0][place] += LIGHTNESS.get(label, 0.9)
        classes[place] = label
    named = np.isin(np.arange(len(SPEC.classes)), shown or [0])
    if UNKNOWN in shown:
        named = np.arange(len(SPEC.classes)) > 0
    return Picture(f"{number}", group or f"{number}", pixels.clip(-1, 1).astype(np.float32), classes, named)


def some(count: int, *shown: int, first: int = 0) -> list[Picture]:
    """So many of them."""
    return [picture(first + number, *shown) for number in range(count)]


REAL = [*some(8), *some(4, 1, first=100), *some(4, 2, first=200)]
