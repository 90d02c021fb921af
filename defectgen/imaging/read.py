"""The one reader of pictures and masks: look at the header, decode once, refuse in one line what cannot be used.

Pillow decodes, because it notices truncated and damaged files, and knows palettes, CMYK and transparency; on what both
read it gives the pixels OpenCV gives. OpenCV decodes colour at 16 bit, which Pillow reduces to 8.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from defectgen.errors import BadInput
from defectgen.imaging.files import Mask, Pixels

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")  # by content, whatever the file is called
MAX_PIXELS = 200_000_000  # a decompression bomb names more; the largest line-scan pictures stay well below
MAX_SIDE = 1_000_000  # longer ones cannot be written as PNG
MAX_BYTES = 8 * MAX_PIXELS
LABELS = 20  # a mask of values up to this holds numbers of classes or defects, not brightness
SOFT = (0.05, 0.95)  # shares of a mask's brightest value between which it is neither background nor defect
WRITTEN_OUT = {"1": "L", "P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "RGBX": "RGB", "RGBa": "RGBA"}
READABLE = ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of 8 and 16 bit
KINDS = {"F": "float32", "I": "int32"}
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF
WHITE_IS_ZERO = 0  # a value of PHOTOMETRIC
GREY_AND_ALPHA = 4  # a colour type of PNG
TRANSPOSED = (5, 6, 7, 8)  # orientations that exchange width and height

Image.MAX_IMAGE_PIXELS = None  # ours is checked as soon as the header is read


def read_image(path: Path) -> Pixels:
    """Read a picture as (H, W) or (H, W, 3) RGB, uint8 or uint16, upright, at the file's own bit depth.

    Raises:
        BadInput: missing, unreadable, truncated or oversized file, several pages, transparency, or another pixel type.
    """
    colour, alpha = _samples(_open(path))
    if alpha is not None and alpha.min() < np.iinfo(alpha.dtype).max:
        raise BadInput(path, "its pixels are transparent", "save it on its background, without alpha")
    return colour


def read_mask(path: Path) -> Mask:
    """Read a mask as (H, W) bool, True = defect.

    Raises:
        BadInput: as `read_image`.
    """
    return to_mask(read_mask_values(path))


def read_mask_values(path: Path) -> NDArray[Any]:
    """Read the (H, W) values of a mask, 0 = background: of a palette its entries, of colours the brightest channel.

    What is transparent is background.

    Raises:
        BadInput: as `read_image`.
    """
    file = _open(path)
    if file.picture.mode == "P":
        return _upright(_entries(file.picture), file)
    colour, alpha = _samples(file)
    values = colour if colour.ndim == 2 else colour.max(axis=2)
    return values if alpha is None else np.where(alpha > np.iinfo(alpha.dtype).max // 2, values, 0)


def to_mask(values: NDArray[Any]) -> Mask:
    """Cut mask values at one half of their range; of numbered labels every number counts."""
    top = int(values.max(initial=0))
    return values > (0 if top <= LABELS else top / 2)


def soft_pixels(values: NDArray[Any]) -> int:
    """How many pixels of a mask lie between background and defect."""
    top = int(values.max(initial=0))
    if top <= LABELS:
        return 0
    return int(np.count_nonzero((values > SOFT[0] * top) & (values < SOFT[1] * top)))


def orientation(path: Path) -> int:
    """How EXIF says to show a picture: 1 as it is stored, 2 to 8 turned or mirrored, see `TRANSPOSED`."""
    with Image.open(path, formats=FORMATS) as picture:
        value = picture.getexif().get(ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1


@dataclass(frozen=True)
class _File:
    """A decoded file.

    deep: its samples have 16 bits in several channels, of which the decoded picture holds 8.
    orientation: EXIF's, 1 to 8, of the pixels as they are decoded.
    """

    path: Path
    data: bytes
    picture: Image.Image
    deep: bool
    orientation: int


def _open(path: Path) -> _File:
    """Check a file, then decode it.

    Raises:
        BadInput: see `read_image`.
    """
    data = _content(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's about odd tags; what matters raises
        picture = _header(path, data)
        try:
            # Both libraries turn TIFF themselves.
            turn = 1 if picture.format == "TIFF" else picture.getexif().get(ORIENTATION, 1)
            deep = picture.mode in ("RGB", "RGBA") and _bits(picture, data) == 16
            picture.load()
        except Exception as error:  # whatever its parsers run into
            raise _unreadable(path, error) from None
    return _File(path, data, picture, deep, turn)


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BadInput(path, "a folder, not a picture", "rename it or move it away")
        if path.exists() and not path.is_file():
            raise BadInput(path, "no ordinary file", "move it away")
        size = path.stat().st_size
        if not size:
            raise BadInput(path, "an empty file", "copy it again or remove it")
        if size > MAX_BYTES:
            raise BadInput(path, f"{size:,} bytes, over {MAX_BYTES:,}", "cut it into tiles")
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(path, "no such file", "correct the path or remove the row") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _header(path: Path, data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        pages = getattr(picture, "n_frames", 1)
    except Image.UnidentifiedImageError:
        raise BadInput(path, f"not a readable picture of {', '.join(FORMATS)}", "save it again as PNG") from None
    except Exception as error:
        raise _unreadable(path, error) from None
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        what = f"{width} x {height} is over {MAX_PIXELS:,} pixels, or over {MAX_SIDE:,} along a side"
        raise BadInput(path, what, "cut it into tiles")
    if pages > 1 and picture.format != "MPO":  # a telephone's JPEG with a second picture behind it
        raise BadInput(path, f"{pages} pictures in one file", "save the one that counts as a file of its own")
    return picture


def _bits(picture: Image.Image, data: bytes) -> int:
    """Bits of one sample as the file holds it."""
    if picture.format == "PNG":
        return data[24]
    return max(getattr(picture, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,)))


def _samples(file: _File) -> tuple[Pixels, Pixels | None]:
    """Colour as (H, W) or (H, W, 3), and alpha as (H, W) where the file has it, upright."""
    if file.deep:
        samples = _deep(file)
    else:
        picture = _plain(file.picture)
        if picture.mode not in READABLE:
            kind = KINDS.get(picture.mode, picture.mode)
            raise BadInput(file.path, f"pixels of type {kind}", "save it as 8 or 16 bit")
        samples = np.asarray(picture)
        samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
        if samples.dtype == np.uint16 and getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
            samples = ~samples  # Pillow does so for 8 bit
    samples = _upright(samples, file)
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        colour, alpha = samples[..., :-1], samples[..., -1]
        return np.ascontiguousarray(colour.squeeze(axis=2) if colour.shape[2] == 1 else colour), alpha
    return np.ascontiguousarray(samples), None


def _deep(file: _File) -> Pixels:
    """Colour or alpha at 16 bit, decoded by OpenCV."""
    try:
        samples = cv2.imdecode(np.frombuffer(file.data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # of some faults the decoder answers None, on others it raises
        samples = None
    if samples is None or samples.dtype != np.uint16:
        raise BadInput(file.path, "cannot be decoded", "save it again as PNG")
    if file.picture.format == "PNG" and file.data[25] == GREY_AND_ALPHA:  # RGBA for Pillow
        return samples[..., [0, 3]]
    return samples[..., {"RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}[file.picture.mode]]


def _plain(picture: Image.Image) -> Image.Image:
    """One sample per channel: palettes, single bits and CMYK written out; a palette of greys is grey."""
    mode = picture.mode
    if "transparency" in picture.info and mode in ("L", "RGB", "P"):
        return picture.convert("LA" if mode == "L" else "RGBA")
    if mode == "P" and (np.ptp(_palette(picture), axis=1) == 0).all():
        return picture.convert("L")
    return picture.convert(WRITTEN_OUT[mode]) if mode in WRITTEN_OUT else picture


def _entries(picture: Image.Image) -> NDArray[np.uint8]:
    """1 where a palette picture shows a defect: any entry in use that is not black, or not the first if none is."""
    numbers = np.asarray(picture)
    colours = np.full((256, 3), 255, np.uint8)
    palette = _palette(picture)
    colours[: len(palette)] = palette
    black = [number for number in np.unique(numbers) if not colours[number].any()]
    return (~np.isin(numbers, black or [0])).astype(np.uint8)


def _palette(picture: Image.Image) -> NDArray[np.uint8]:
    return np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)


def _upright(pixels: NDArray[Any], file: _File) -> NDArray[Any]:
    """Stored pixels as EXIF's orientation says to show them."""
    rows = -1 if file.orientation in (3, 4, 7, 8) else 1
    columns = -1 if file.orientation in (2, 3, 6, 7) else 1
    turned = pixels.swapaxes(0, 1) if file.orientation in TRANSPOSED else pixels
    return turned[::rows, ::columns]


def _unreadable(path: Path, error: Exception) -> BadInput:
    reason = " ".join(str(error).split())
    return BadInput(path, f"not a readable picture ({reason})", "copy it again or save it again as PNG")
