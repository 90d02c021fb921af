"""The only place where pictures and other outputs cross the file boundary.

Native arrays are (H, W) or (H, W, 3) RGB, uint8 or uint16. Masks are (H, W) bool, True = defect, stored as PNG 0/255.
Every file is written under a temporary name, synced and renamed, so a killed process never leaves half a file.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from defectgen.errors import UserError

Pixels = NDArray[Any]  # uint8 or uint16
Mask = NDArray[np.bool_]

MAX_PIXELS = 200_000_000  # a decompression bomb names more; the largest line-scan pictures stay well below
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def is_picture(path: Path) -> bool:
    """Whether the file's name says it is a picture we read."""
    return path.suffix.lower() in SUFFIXES


def read_image(path: Path) -> Pixels:
    """Read a picture as (H, W) or (H, W, 3) RGB, uint8 or uint16, at the file's own bit depth.

    Raises:
        UserError: missing, unreadable, truncated or oversized file, or a pixel type other than 8 or 16 bit.
    """
    _check(path)
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # of some faults the decoder answers None, on others it raises
        pixels = None
    if pixels is None:
        raise UserError(f"{path}: cannot be decoded; save it again as PNG")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path}: pixels are {pixels.dtype}; save it as 8 or 16 bit")
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] < 3 else pixels[..., 2::-1]
    return np.ascontiguousarray(pixels)


def read_mask(path: Path) -> Mask:
    """Read a mask as (H, W) bool; any value above half of the file's range is defect, and so is any label value 1."""
    pixels = read_image(path)
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    return pixels > (0 if pixels.max(initial=0) <= 1 else np.iinfo(pixels.dtype).max // 2)


def write_image(path: Path, pixels: Pixels) -> None:
    """Write (H, W) or (H, W, 3) RGB, uint8 or uint16, as PNG."""
    swapped = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, data = cv2.imencode(".png", np.ascontiguousarray(swapped))
    if not done:
        raise ValueError(f"{path}: {pixels.dtype} {pixels.shape} cannot be a PNG")
    write_atomic(path, data.tobytes())


def write_mask(path: Path, mask: Mask) -> None:
    """Write (H, W) bool as PNG 0/255."""
    write_image(path, np.where(mask, np.uint8(255), np.uint8(0)))


def write_atomic(path: Path, data: bytes) -> None:
    """Write bytes so that the file is either the old one or the whole new one, whatever is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def pixel_hash(pixels: Pixels | Mask) -> str:
    """SHA-256 of what the picture shows (type, size, pixels), whatever file format held it."""
    head = f"{pixels.dtype.name}{pixels.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def to_float(pixels: Pixels) -> NDArray[np.float32]:
    """Native pixels to (C, H, W) float32 in [-1, 1]."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return planes.astype(np.float32) * np.float32(2 / np.iinfo(pixels.dtype).max) - np.float32(1)


def from_float(planes: NDArray[np.float32], dtype: np.dtype) -> Pixels:
    """(C, H, W) float32 in [-1, 1] to native (H, W) or (H, W, 3); values outside are clipped, halves round to even."""
    top = np.iinfo(dtype).max
    native = np.rint((np.clip(planes, -1, 1).astype(np.float64) + 1) * (top / 2)).astype(dtype)
    return native[0] if native.shape[0] == 1 else np.ascontiguousarray(native.transpose(1, 2, 0))


def _check(path: Path) -> None:
    """Look at the header before the decoder sees the file."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise UserError(f"{path}: {width} x {height} is over {MAX_PIXELS:,} pixels; cut it into tiles")
            picture.verify()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path or remove the row") from None
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: {error} Cut it into tiles") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UserError(f"{path}: not a readable picture ({error}); save it again as PNG") from None
