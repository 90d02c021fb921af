"""Contact sheets: rows of small pictures with names, the way a person looks at a data set."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from defectgen.imaging.files import Mask, Pixels

Rgb = NDArray[np.uint8]
GAP = 2
RED = (230, 40, 40)


def to_rgb(pixels: Pixels) -> Rgb:
    """Native pixels as (H, W, 3) uint8 for looking at."""
    small = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    return np.dstack([small] * 3) if small.ndim == 2 else small


def outlined(pixels: Pixels, mask: Mask, colour: tuple[int, int, int] = RED) -> Rgb:
    """The picture with the mask's contour drawn on it."""
    picture = to_rgb(pixels).copy()
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, 1)
    return picture


def sheet(rows: Sequence[Sequence[Rgb]], names: Sequence[str] = (), columns: Sequence[str] = (), cell: int = 96) -> Rgb:
    """Rows of pictures as one; `names` stand left of the rows, `columns` above the columns.

    Pictures are scaled to `cell` pixels; small ones by whole pixels, so that what is there can be seen.
    """
    left, top = (110 if names else 0), (18 if columns else 0)
    width = left + max((len(row) for row in rows), default=0) * (cell + GAP)
    canvas = np.full((top + len(rows) * (cell + GAP), width, 3), 255, np.uint8)
    for line, row in enumerate(rows):
        for place, picture in enumerate(row):
            y, x = top + line * (cell + GAP), left + place * (cell + GAP)
            canvas[y : y + cell, x : x + cell] = _fit(picture, cell)
    image = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for line, name in enumerate(names):
        draw.text((2, top + line * (cell + GAP) + cell // 2 - 8), name, fill=(0, 0, 0), font=font)
    for place, name in enumerate(columns):
        draw.text((left + place * (cell + GAP) + 2, 2), name, fill=(0, 0, 0), font=font)
    return np.asarray(image)


def _fit(picture: Rgb, cell: int) -> Rgb:
    """The picture within a white square of `cell` pixels, its proportions kept."""
    height, width = picture.shape[:2]
    zoom = cell / max(height, width)
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_NEAREST
    small = cv2.resize(picture, (max(1, round(width * zoom)), max(1, round(height * zoom))), interpolation=how)
    square = np.full((cell, cell, 3), 255, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square
