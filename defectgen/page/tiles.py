"""Small pictures for a page: square tiles with outlines, whole pictures made small, and their data URIs."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.region import grow
from defectgen.imaging.sheet import Rgb, outlined, to_rgb
from defectgen.imaging.square import shrink

TILE = 192  # pixels stored for a square tile; the page shows fewer, so that print and fine screens stay sharp
WHOLE = 480  # longer side of a whole picture
Colour = tuple[int, int, int]
SHAPE, REGION, LABEL = (242, 154, 18), (38, 132, 214), (226, 32, 48)  # outlines: planned, may be repainted, changed


def tile(square: Pixels, *outlines: tuple[Mask, Colour]) -> Rgb:
    """A native square at TILE pixels with outlines of masks of any square size drawn on it."""
    picture = to_rgb(shrink(square, TILE))
    for mask, colour in outlines:
        picture = _surrounded(picture, _resized(mask, TILE, TILE), colour)
    return picture


def whole(pixels: Pixels, mask: Mask) -> Rgb:
    """A picture, its longer side WHOLE pixels at most, with its defects outlined."""
    height, width = pixels.shape[:2]
    zoom = min(1.0, WHOLE / max(height, width))
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    small = to_rgb(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    return _surrounded(small, _resized(mask, *size), LABEL)


def jpeg(picture: Rgb) -> str:
    """A data URI; quality high enough that the grain of a surface stays."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=92, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _surrounded(picture: Rgb, mask: Mask, colour: Colour) -> Rgb:
    """An outline two pixels wide that leaves what is inside to be seen."""
    return outlined(outlined(picture, grow(mask, 1), colour), grow(mask, 2), colour)


def _resized(mask: Mask, width: int, height: int) -> Mask:
    """A mask at another size; what is there stays visible however thin it is."""
    smaller = height < mask.shape[0]
    how, least = (cv2.INTER_AREA, 0.25) if smaller else (cv2.INTER_LINEAR, 0.5)
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=how)
    found = share >= least
    return found if found.any() else share > 0
