"""The reader: whatever cameras and tools save comes in as it is shown, or is refused in one line that says the mend."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from small import one_line, picture

from defectgen.errors import BadInput
from defectgen.imaging import read
from defectgen.imaging.files import is_picture, write_image
from defectgen.imaging.read import orientation, read_image, read_mask, read_mask_values, soft_pixels

GREY, COLOUR = picture(1, (20, 30)), picture(2, (20, 30), 3)
GREY16, COLOUR16 = picture(3, (20, 30), 1, 16), picture(4, (20, 30), 3, 16)
OPAQUE, CLEAR = np.full((20, 30), 255, np.uint8), picture(5, (20, 30))


def save(path: Path, pixels: NDArray[Any] | Image.Image, **options: Any) -> Path:
    """Save with Pillow, in the format the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def save_deep(path: Path, pixels: NDArray[np.uint16]) -> Path:
    """Save 16 bit with OpenCV; pixels are RGB or RGBA."""
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[np.atleast_3d(pixels).shape[2]]
    done, data = cv2.imencode(path.suffix, np.atleast_3d(pixels)[..., order])
    assert done
    path.write_bytes(data.tobytes())
    return path


def palette(colours: list[tuple[int, int, int]], numbers: NDArray[np.uint8]) -> Image.Image:
    """A picture of numbers into a list of colours."""
    image = Image.fromarray(numbers, "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "A.TIFF", "grün 1.png", "a.jpg"])
def test_what_is_saved_is_read(tmp_path: Path, name: str, pixels: NDArray[np.uint8]) -> None:
    path = save(tmp_path / name, pixels)
    assert is_picture(path)
    again = read_image(path)
    if name == "a.jpg":
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # the other decoder sees the same
        pixels = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    assert again.dtype == np.uint8 and np.array_equal(again, pixels)
    assert again.flags["C_CONTIGUOUS"]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_GREY_AND_ALPHA = 4


def _png(kind: int, *channels: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bit of a colour type that no library here writes."""
    height, width = channels[0].shape
    rows = np.stack(channels, axis=-1).astype(">u2").reshape(height, -1)
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


KINDS: dict[str, tuple[Callable[[Path], Path], NDArray[Any]]] = {
    "opaque alpha": (lambda p: save(p / "a.png", np.dstack([COLOUR, OPAQUE])), COLOUR),
    "grey, opaque alpha": (
        lambda p: save(p / "a.png", Image.merge("LA", [*map(Image.fromarray, (GREY, OPAQUE))])),
        GREY,
    ),
    "16 bit grey": (lambda p: save_deep(p / "a.png", GREY16), GREY16),
    "16 bit grey TIFF": (lambda p: save_deep(p / "a.tiff", GREY16), GREY16),
    "16 bit colour": (lambda p: save_deep(p / "a.png", COLOUR16), COLOUR16),
    "16 bit colour TIFF": (lambda p: save_deep(p / "a.tiff", COLOUR16), COLOUR16),
    "16 bit, opaque alpha": (
        lambda p: save_deep(p / "a.png", np.dstack([COLOUR16, np.full((20, 30), 65535, np.uint16)])),
        COLOUR16,
    ),
    "16 bit grey, opaque alpha": (lambda p: _raw(p / "a.png", _png(_GREY_AND_ALPHA, GREY16, GREY16 | 65535)), GREY16),
    "16 bit grey, white is 0": (
        lambda p: save(p / "a.tif", Image.fromarray(GREY16), tiffinfo={read.PHOTOMETRIC: 0}),
        ~GREY16,
    ),
    "1 bit": (lambda p: save(p / "a.png", Image.fromarray(GREY > 99)), np.where(GREY > 99, 255, 0).astype(np.uint8)),
    "1 bit fax": (
        lambda p: save(p / "a.tif", Image.fromarray(GREY > 99), compression="group4"),
        np.where(GREY > 99, 255, 0).astype(np.uint8),
    ),
    "palette": (
        lambda p: save(p / "a.png", palette([(9, 8, 7), (200, 100, 50)], (GREY > 99).astype(np.uint8))),
        np.where((GREY > 99)[..., None], (200, 100, 50), (9, 8, 7)).astype(np.uint8),
    ),
    "palette of greys": (
        lambda p: save(p / "a.bmp", palette([(v, v, v) for v in range(255, -1, -1)], 255 - GREY)),
        GREY,
    ),
    "CMYK": (
        lambda p: save(p / "a.tif", Image.fromarray(COLOUR).convert("CMYK")),
        np.asarray(Image.fromarray(COLOUR).convert("CMYK").convert("RGB")),
    ),
    "lossless WEBP": (lambda p: save(p / "a.webp", COLOUR, lossless=True), COLOUR),
    "PNG called JPEG": (lambda p: save(p / "a.jpg", COLOUR, format="PNG"), COLOUR),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_pixels(tmp_path: Path, kind: str) -> None:
    write, pixels = KINDS[kind]
    again = read_image(write(tmp_path))
    assert again.dtype == pixels.dtype and again.shape == pixels.shape
    assert np.array_equal(again, pixels)


def test_a_cmyk_jpeg_shows_its_colours(tmp_path: Path) -> None:
    red = Image.new("RGB", (16, 16), (230, 20, 30))
    shown = read_image(save(tmp_path / "a.jpg", red.convert("CMYK"), quality=95)).mean(axis=(0, 1))
    assert np.abs(shown - (230, 20, 30)).max() < 6


@pytest.mark.parametrize("how", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "deep.png"])
def test_pictures_are_shown_upright(tmp_path: Path, name: str, how: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = how
    path = save(tmp_path / name, COLOUR, exif=exif)
    if name == "deep.png":  # 16 bit with the same orientation, put into the file by hand
        chunk = _chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
        data = save_deep(path, COLOUR.astype(np.uint16) * 257).read_bytes()
        path.write_bytes(data[:33] + chunk + data[33:])
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    again = read_image(path)
    assert again.dtype == (np.uint16 if name == "deep.png" else np.uint8)
    assert np.array_equal(again // (257 if name == "deep.png" else 1), shown)
    assert orientation(path) == how
    assert shown.shape == ((30, 20, 3) if how in read.TRANSPOSED else (20, 30, 3))


def _pages(path: Path, **options: Any) -> Path:
    return save(path, COLOUR, save_all=True, append_images=[Image.fromarray(255 - COLOUR)], **options)


def _raw(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "missing": (lambda p: p / "a.png", ["no such file", "correct the path"]),
    "empty": (lambda p: _raw(p / "a.png", b""), ["an empty file", "copy it again"]),
    "text": (
        lambda p: _raw(p / "a.png", b"no picture"),
        ["not a readable picture of PNG, JPEG", "save it again as PNG"],
    ),
    "folder": (lambda p: _folder(p / "a.png"), ["a folder", "rename it"]),
    "named pipe": (lambda p: _fifo(p / "a.png"), ["no ordinary file", "move it away"]),
    "GIF called PNG": (lambda p: save(p / "a.png", GREY, format="GIF"), ["not a readable picture of PNG"]),
    "float": (lambda p: save(p / "a.tif", GREY.astype(np.float32)), ["float32", "save it as 8 or 16 bit"]),
    "32 bit": (lambda p: save(p / "a.tif", GREY.astype(np.int32)), ["int32", "save it as 8 or 16 bit"]),
    "Lab": (lambda p: save(p / "a.tif", Image.fromarray(COLOUR).convert("LAB")), ["LAB", "save it as 8 or 16 bit"]),
    "float colour": (
        lambda p: _raw(p / "a.tif", cv2.imencode(".tiff", COLOUR.astype(np.float32))[1].tobytes()),
        ["not a readable picture"],
    ),
    "pages": (lambda p: _pages(p / "a.tif"), ["2 pictures in one file", "a file of its own"]),
    "moving PNG": (lambda p: _pages(p / "a.png"), ["2 pictures in one file"]),
    "moving WEBP": (lambda p: _pages(p / "a.webp"), ["2 pictures in one file"]),
    "transparent": (lambda p: save(p / "a.png", np.dstack([COLOUR, CLEAR])), ["transparent", "without alpha"]),
    "transparent grey": (
        lambda p: save(p / "a.png", Image.merge("LA", [*map(Image.fromarray, (GREY, CLEAR))])),
        ["transparent"],
    ),
    "transparent 16 bit": (
        lambda p: save_deep(p / "a.png", np.dstack([COLOUR16, GREY16])),
        ["transparent"],
    ),
    "transparent value": (lambda p: save(p / "a.png", GREY, transparency=int(GREY[3, 3])), ["transparent"]),
    "transparent entry": (
        lambda p: save(p / "a.png", palette([(0, 0, 0), (9, 8, 7)], (GREY > 99).astype(np.uint8)), transparency=0),
        ["transparent"],
    ),
    "too long": (lambda p: save(p / "a.png", Image.new("L", (1_000_001, 1))), ["1000001 x 1", "cut it into tiles"]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, kind: str) -> None:
    write, words = REFUSED[kind]
    path = write(tmp_path)
    with pytest.raises(BadInput) as error:
        read_image(path)
    message = one_line(error.value)
    assert message.startswith(f"{path}: ") and "; " in message
    assert all(word in message for word in words), message


def _saved(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(cv2.GaussianBlur(picture(0, (60, 80), 3), (0, 0), 2)).save(buffer, kind, **options)
    return buffer.getvalue()


TORN: dict[str, bytes] = {
    "PNG": _saved("PNG"),
    "JPEG": _saved("JPEG"),
    "progressive JPEG": _saved("JPEG", progressive=True),
    "BMP": _saved("BMP"),
    "TIFF": _saved("TIFF"),
    "packed TIFF": _saved("TIFF", compression="tiff_lzw"),
    "WEBP": _saved("WEBP"),
}


@pytest.mark.parametrize("kind", TORN)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.95])
def test_truncated_files_are_named(tmp_path: Path, kind: str, share: float) -> None:
    path = _raw(tmp_path / "a.png", TORN[kind])
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(TORN[kind][: int(len(TORN[kind]) * share)])
    with pytest.raises(BadInput, match=r"(copy|save) it again") as error:
        read_image(path)
    assert one_line(error.value).startswith(str(path))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_truncated_deep_files_are_named(tmp_path: Path, suffix: str) -> None:
    path = save_deep(tmp_path / f"a{suffix}", picture(0, (60, 80), 3, 16))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match="not a readable picture"):
        read_image(path)


@pytest.mark.parametrize("packed", [0, 9])
def test_a_flipped_bit_is_noticed(tmp_path: Path, packed: int) -> None:
    """Where nothing is packed it is a pixel, which only a checksum tells."""
    data = bytearray(_saved("PNG", compress_level=packed))
    data[len(data) // 2] ^= 4
    with pytest.raises(BadInput, match=r"a\.png"):
        read_image(_raw(tmp_path / "a.png", bytes(data)))


@pytest.mark.parametrize("kind", TORN)
def test_damage_anywhere_is_a_picture_or_one_line(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = np.frombuffer(TORN[kind], np.uint8).copy()
        places = rng.integers(0, min(len(data), 600), 4)
        data[places] = rng.integers(0, 256, 4)
        path = _raw(tmp_path / "a.png", data.tobytes())
        try:
            assert read_image(path).dtype in (np.uint8, np.uint16)
        except BadInput as error:
            one_line(error)


def _decoded(*_: object, **__: object) -> None:
    raise AssertionError("the pixels were decoded")


@pytest.mark.parametrize("side", [14_200, 30_000])  # just over our limit, and over the reading library's own
def test_a_decompression_bomb_is_not_opened(tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + _chunk(b"IEND", b"")
    path = _raw(tmp_path / "bomb.png", b"\x89PNG\r\n\x1a\n" + bomb)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", _decoded)
    with pytest.raises(BadInput, match=r"bomb\.png.*200,000,000 pixels.*cut it into tiles"):
        read_image(path)


def test_the_limits_count_pixels_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", picture(0, (10, 12)))
    monkeypatch.setattr(read, "MAX_PIXELS", 120)
    read_image(path)
    monkeypatch.setattr(read, "MAX_PIXELS", 119)
    with pytest.raises(BadInput, match=r"12 x 10 is over 119 pixels.*cut it into tiles"):
        read_image(path)
    monkeypatch.setattr(read, "MAX_BYTES", 50)
    with pytest.raises(BadInput, match="bytes, over 50; cut it into tiles"):
        read_image(path)


MASK = picture(3, (17, 23)) > 128


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("value", [1, 7, 100, 255, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_number_marks_a_defect(tmp_path: Path, dtype: type, value: int, channels: int) -> None:
    values = MASK.astype(dtype) * dtype(min(value, np.iinfo(dtype).max))
    # A coloured mask (red on black) counts wherever any channel does.
    write_image(tmp_path / "m.png", values if channels == 1 else np.dstack([values, values * 0, values * 0]))
    assert np.array_equal(read_mask(tmp_path / "m.png"), MASK)
    assert soft_pixels(read_mask_values(tmp_path / "m.png")) == 0


MASKS: dict[str, Image.Image] = {
    "1 bit": Image.fromarray(MASK),
    "palette": palette([(0, 0, 0), (128, 0, 0)], MASK.astype(np.uint8)),
    "palette, white first": palette([(255, 255, 255), (0, 0, 0)], (~MASK).astype(np.uint8)),
    "palette without black": palette([(255, 255, 255), (200, 0, 0)], MASK.astype(np.uint8)),
    "numbered defects": palette([(0, 0, 0), (9, 9, 9), (99, 9, 9)], MASK * (1 + (picture(1, (17, 23)) % 2))),
    "white on nothing": Image.fromarray(np.dstack([np.full((*MASK.shape, 3), 255, np.uint8), MASK * np.uint8(255)])),
    "opaque": Image.fromarray(np.dstack([*[MASK * np.uint8(255)] * 3, np.full(MASK.shape, 255, np.uint8)])),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind(tmp_path: Path, kind: str) -> None:
    assert np.array_equal(read_mask(save(tmp_path / "m.png", MASKS[kind])), MASK)


def test_numbers_of_defects_all_count(tmp_path: Path) -> None:
    write_image(tmp_path / "m.png", np.array([[0, 1, 2, 20]], np.uint8))
    assert read_mask(tmp_path / "m.png").tolist() == [[False, True, True, True]]


@pytest.mark.parametrize(
    ("values", "mask", "soft"),
    [
        ([0, 1, 127, 128, 254, 255], [False, False, False, True, True, True], 2),
        ([0, 90, 110, 200], [False, False, True, True], 2),
        ([0, 5, 250, 255], [False, False, True, True], 0),
    ],
)
def test_soft_masks_are_cut_at_one_half_of_their_range(
    tmp_path: Path, values: list[int], mask: list[bool], soft: int
) -> None:
    write_image(tmp_path / "m.png", np.array([values], np.uint8))
    assert read_mask(tmp_path / "m.png").tolist() == [mask]
    assert soft_pixels(read_mask_values(tmp_path / "m.png")) == soft


def test_an_empty_mask_stays_empty(tmp_path: Path) -> None:
    write_image(tmp_path / "m.png", np.zeros((5, 6), np.uint8))
    assert read_mask(tmp_path / "m.png").sum() == 0


def test_masks_are_turned_as_pictures_are(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for image in (Image.fromarray(MASK * np.uint8(255)), MASKS["palette"]):
        mask = read_mask(save(tmp_path / "m.png", image, exif=exif))
        assert np.array_equal(mask, np.rot90(MASK, -1))
