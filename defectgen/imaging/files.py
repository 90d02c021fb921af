"""Pictures in memory, and the only place where they and other outputs are written (`imaging/read.py` reads them).

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

Pixels = NDArray[Any]  # uint8 or uint16
Mask = NDArray[np.bool_]

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def is_picture(path: Path) -> bool:
    """Whether the file's name says it is a picture we read."""
    return path.suffix.lower() in SUFFIXES


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
    """Write bytes so that the file is either the old one or the whole new one, whatever is killed.

    Raises:
        OSError: the disk is full or broken; the error names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or the new name is lost with the power
    finally:
        os.close(folder)


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
