"""The teacher: endless patches of any surface with any defect, each with its mask and what one may say of the defect.

Lesson number i is a pure function of (seed, i).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, product

import cv2
import numpy as np

from defectgen.drawing.anything import AnySurface
from defectgen.drawing.families import TAUGHT
from defectgen.imaging.files import Mask, Pixels, to_float
from defectgen.imaging.square import shrink, shrink_mask

GREY = 0.5
"""Share of lessons seen by a camera without colour."""
MAGNIFIED = (0.7, 1.6)
"""Side of the drawing over that of the patch: what is drawn large is seen small and sharp."""
EXTENTS = (5 / 64, 52 / 64)
"""Smallest and largest extent of a defect, in sides of the patch."""
LEAST = 8
"""Pixels a defect has at least."""
COMPRESSED, QUALITY = 0.25, (40, 95)
"""Share of lessons that went through a JPEG file, and its quality."""

SIZES = {"small": 0.0, "medium": 12 / 64, "large": 24 / 64}
"""From which longer side of the mask's box on, in sides of the patch."""
CONTRASTS = {"faint": 0.0, "clear": 0.04, "strong": 0.09}
"""From which mean change within the mask on, of a white level of 1."""
SHARPNESSES = {"soft": 0.0, "crisp": 0.5}
"""From which slope of the change where it is steep, over the change where it is large, on; per pixel."""
STEEP = 0.95
"""Where in the mask: at this quantile."""


@dataclass(frozen=True)
class Lesson:
    """One patch (S, S, 3), RGB: `picture` with the defect and `clean` without, its mask (S, S) and its description.

    grey: the camera has no colour; the three channels are equal.
    """

    picture: Pixels
    clean: Pixels
    mask: Mask
    description: str
    grey: bool


DESCRIPTIONS = [", ".join(words) for words in product(TAUGHT, SIZES, CONTRASTS, SHARPNESSES)]
"""Everything that can be said of a defect."""


class Teacher:
    """Draws lessons of `size` pixels a side."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed

    def __call__(self, index: int) -> Lesson:
        """Lesson number `index`; what turns out to be invisible is drawn again."""
        return next(filter(None, (self._drawn([self.seed, index, attempt]) for attempt in count())))

    def _drawn(self, part: Sequence[int]) -> Lesson | None:
        """A lesson, or None where no room was found for the defect or too little of it can be seen."""
        rng = np.random.default_rng(part)
        family = list(TAUGHT)[rng.integers(len(TAUGHT))]
        side = round(self.size * float(np.exp(rng.uniform(*np.log(MAGNIFIED)))))
        extent = side * float(np.exp(rng.uniform(*np.log(EXTENTS))))
        try:
            photograph = AnySurface(side).photograph(part, 0, TAUGHT[family], extent)
        except ValueError:
            return None
        mask = shrink_mask(photograph.mask, self.size)
        if mask.sum() < LEAST:
            return None
        grey, quality = rng.random() < GREY, int(rng.integers(*QUALITY)) if rng.random() < COMPRESSED else None
        picture, clean = (self._seen(pixels, grey, quality) for pixels in (photograph.image, photograph.clean))
        return Lesson(picture, clean, mask, f"{family}, {described(picture, clean, mask)}", grey)

    def _seen(self, pixels: Pixels, grey: bool, quality: int | None) -> Pixels:
        """A drawing as it comes out of a camera and a file."""
        pixels = shrink(pixels, self.size)
        if grey:
            pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
        if quality is None:
            return pixels
        stored = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        opened = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))[..., ::-1]
        return np.repeat(opened[..., 1:2], 3, axis=-1) if grey else opened


def described(picture: Pixels, clean: Pixels, mask: Mask) -> str:
    """Size, contrast and sharpness of a defect, measured from the picture with it and without it, in words."""
    change = (to_float(picture) - to_float(clean)).mean(axis=0) / 2
    slope = np.hypot(*np.gradient(change))
    amount = float(np.abs(change)[mask].mean())
    extent = max(np.ptp(np.flatnonzero(mask.any(axis))) + 1 for axis in (0, 1)) / len(mask)
    steepest, most = (float(np.quantile(values[mask], STEEP)) for values in (slope, np.abs(change)))
    measured = (extent, amount, steepest / (most + 1e-6))
    return ", ".join(
        _word(scale, value) for scale, value in zip((SIZES, CONTRASTS, SHARPNESSES), measured, strict=True)
    )


def _word(scale: dict[str, float], value: float) -> str:
    """The last word of a scale that begins at or below the value."""
    return [word for word, start in scale.items() if value >= start][-1]
