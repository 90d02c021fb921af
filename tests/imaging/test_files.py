"""Files: what is written reads back bit for bit, what is broken is named, and nothing is ever half written."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small import picture

from defectgen.imaging.files import from_float, is_picture, pixel_hash, to_float, write_atomic, write_image, write_mask
from defectgen.imaging.read import read_image, read_mask

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


def test_other_files_are_no_pictures() -> None:
    assert not any(is_picture(Path(name)) for name in ("metadata.csv", "Thumbs.db", "a.png.txt", "png"))


def test_masks_read_back(tmp_path: Path) -> None:
    mask = picture(3, (17, 23)) > 128
    write_mask(tmp_path / "m.png", mask)
    assert np.array_equal(read_mask(tmp_path / "m.png"), mask)
    assert set(np.unique(read_image(tmp_path / "m.png"))) == {0, 255}


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
    assert seen[0] == (5, False)  # the file, whole, before it has its name
    assert [named for _, named in seen] == [False, True]  # then its folder
    assert path.read_bytes() == b"12345"


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
