"""Files: what is written reads back bit for bit, what is broken is named, and nothing is ever half written."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small import one_line, picture

from defectgen.errors import UserError
from defectgen.imaging import files
from defectgen.imaging.files import (
    from_float,
    is_picture,
    pixel_hash,
    read_image,
    read_mask,
    to_float,
    write_atomic,
    write_image,
    write_mask,
)

KINDS = [(1, 8), (3, 8), (1, 16), (3, 16)]  # channels, bits


@pytest.mark.parametrize(("channels", "depth"), KINDS)
def test_pictures_read_back_bit_for_bit(tmp_path: Path, channels: int, depth: int) -> None:
    pixels = picture(1, (13, 29), channels, depth)
    write_image(tmp_path / "deep" / "er" / "a.png", pixels)
    again = read_image(tmp_path / "deep" / "er" / "a.png")
    assert again.dtype == pixels.dtype and again.shape == pixels.shape
    assert np.array_equal(again, pixels)


def test_red_is_the_first_channel(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), (250, 20, 10)).save(tmp_path / "red.png")
    assert read_image(tmp_path / "red.png")[0, 0].tolist() == [250, 20, 10]
    write_image(tmp_path / "ours.png", read_image(tmp_path / "red.png"))
    assert Image.open(tmp_path / "ours.png").getpixel((0, 0)) == (250, 20, 10)


@pytest.mark.parametrize(
    ("mode", "name", "shape"),
    [
        ("1", "a.png", (3, 4)),
        ("L", "a.bmp", (3, 4)),
        ("P", "a.png", (3, 4, 3)),
        ("RGBA", "a.png", (3, 4, 3)),
        ("RGB", "a.tif", (3, 4, 3)),
        ("L", "a.jpg", (3, 4)),
        ("RGB", "A.JPG", (3, 4, 3)),
        ("RGB", "a.webp", (3, 4, 3)),
    ],
)
def test_what_cameras_and_tools_save_is_read(tmp_path: Path, mode: str, name: str, shape: tuple[int, ...]) -> None:
    Image.new("RGB", (4, 3), (255, 255, 255)).convert(mode).save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert is_picture(tmp_path / name)
    assert pixels.shape == shape and pixels.dtype == np.uint8 and pixels.min() == 255


def test_other_files_are_no_pictures() -> None:
    assert not any(is_picture(Path(name)) for name in ("metadata.csv", "Thumbs.db", "a.png.txt", "png"))


def test_masks_read_back(tmp_path: Path) -> None:
    mask = picture(3, (17, 23)) > 128
    write_mask(tmp_path / "m.png", mask)
    assert np.array_equal(read_mask(tmp_path / "m.png"), mask)
    assert set(np.unique(read_image(tmp_path / "m.png"))) == {0, 255}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("top", ["one", "full"])
@pytest.mark.parametrize("channels", [1, 3])
def test_masks_of_ones_and_of_white_are_the_same(tmp_path: Path, dtype: type, top: str, channels: int) -> None:
    mask = picture(3, (17, 23)) > 128
    value = 1 if top == "one" else np.iinfo(dtype).max
    values = mask.astype(dtype) * dtype(value)
    # A coloured mask (red on black) counts wherever any channel does.
    write_image(tmp_path / "m.png", values if channels == 1 else np.dstack([values, values * 0, values * 0]))
    assert np.array_equal(read_mask(tmp_path / "m.png"), mask)


def test_soft_edges_are_cut_at_one_half(tmp_path: Path) -> None:
    write_image(tmp_path / "m.png", np.array([[0, 1, 127, 128, 254, 255]], np.uint8))
    assert read_mask(tmp_path / "m.png").tolist() == [[False, False, False, True, True, True]]


def test_an_empty_mask_stays_empty(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", np.zeros((5, 6), bool))
    assert read_mask(tmp_path / "m.png").sum() == 0


def _stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("where", "name"), [(os, "fsync"), (Path, "replace"), (Path, "chmod")])
def test_stopped_half_way_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")
    monkeypatch.setattr(where, name, _stopped)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new and longer")
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "b.bin", b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_the_data_is_on_the_disc_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool]] = []
    path, synced = tmp_path / "a.bin", os.fsync

    def watch(handle: int) -> None:
        seen.append((os.fstat(handle).st_size, path.exists()))
        synced(handle)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomic(path, b"12345")
    assert seen == [(5, False)]
    assert path.read_bytes() == b"12345"


def _saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(cv2.GaussianBlur(picture(0, (60, 80), 3), (0, 0), 2)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.95])
def test_truncated_files_are_named(tmp_path: Path, kind: str, share: float) -> None:
    whole = _saved(kind)
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(whole)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="save it again as PNG") as error:
        read_image(path)
    assert one_line(error.value).startswith(str(path))


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    data = bytearray(_saved("PNG"))
    data[len(data) // 2] ^= 4
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_missing_file_and_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    for name, words in (("missing.png", "no such file"), ("text.png", "not a readable"), ("folder.png", "folder.png")):
        with pytest.raises(UserError, match=words) as error:
            read_image(tmp_path / name)
        assert name in one_line(error.value)


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"float32; save it as 8 or 16 bit"):
        read_image(tmp_path / "a.tif")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("side", [14_200, 30_000])  # just over our limit, and over the reading library's own
def test_a_decompression_bomb_is_not_opened(tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + _chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    monkeypatch.setattr(cv2, "imdecode", _stopped)
    with pytest.raises(UserError, match=r"(?i)bomb\.png.*cut it into tiles") as error:
        read_image(tmp_path / "bomb.png")
    one_line(error.value)


def test_the_limit_counts_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", picture(0, (10, 12)))
    monkeypatch.setattr(files, "MAX_PIXELS", 120)
    read_image(tmp_path / "a.png")
    monkeypatch.setattr(files, "MAX_PIXELS", 119)
    with pytest.raises(UserError, match="12 x 10 is over 119 pixels; cut it into tiles"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["line.png", "line.bmp"])
def test_a_picture_the_decoder_refuses_is_named(tmp_path: Path, name: str) -> None:
    Image.new("L", (2**20 + 1, 1)).save(tmp_path / name)  # longer than OpenCV reads
    with pytest.raises(UserError, match=name) as error:
        read_image(tmp_path / name)
    one_line(error.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_survives_floating_point(dtype: type) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    planes = to_float(values)
    assert planes.dtype == np.float32 and planes.shape == (1, *values.shape)
    assert planes.min() == -1 and planes.max() == 1
    assert np.array_equal(from_float(planes, values.dtype), values)


def test_planes_and_channels(tmp_path: Path) -> None:
    pixels = picture(0, (5, 7), 3)
    planes = to_float(pixels)
    assert planes.shape == (3, 5, 7)
    assert np.array_equal(from_float(planes[:1], pixels.dtype), pixels[..., 0])
    assert np.array_equal(from_float(planes, pixels.dtype), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_out_of_range_are_clipped(dtype: type) -> None:
    planes: NDArray[np.float32] = np.array([[[-7.0, -1.001, 1.001, 7.0]]], np.float32)
    assert from_float(planes, np.dtype(dtype)).tolist() == [[0, 0, np.iinfo(dtype).max, np.iinfo(dtype).max]]


def test_the_hash_is_of_what_is_shown(tmp_path: Path) -> None:
    pixels = picture(0, (6, 8))
    write_image(tmp_path / "a.png", pixels)
    Image.fromarray(pixels).save(tmp_path / "b.tif")
    assert {pixel_hash(read_image(tmp_path / name)) for name in ("a.png", "b.tif")} == {pixel_hash(pixels)}
    assert pixel_hash(pixels[:, ::-1][:, ::-1]) == pixel_hash(pixels)
    changed = pixels.copy()
    changed[3, 3] ^= 1
    others = [changed, pixels.reshape(8, 6), pixels.astype(np.uint16), pixels > 127, np.dstack([pixels] * 3)]
    assert len({pixel_hash(other) for other in (pixels, *others)}) == 6
