"""Faults of source folders, each planted in a drawn folder on a picture of its own, and what must be said about it."""

import csv
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from defectgen.imaging.distance import to_outside
from defectgen.imaging.files import write_image, write_mask
from defectgen.imaging.read import read_image, read_mask

Row = dict[str, str]


@dataclass(frozen=True)
class Fault:
    """One fault.

    victims: the classes of the pictures it takes; `plant` is called with them.
    files: what the table names: {a.image}, {a.mask}, {a.row} of the first victim, {b.image} of the second, {last} row.
    words: what its line must hold. warning: the pictures are used all the same.
    """

    victims: str
    plant: Callable[..., object]
    files: str
    words: str
    warning: bool = False


@dataclass(frozen=True)
class Planted:
    """What became of a fault: the files that must be named, and the pictures that it spoils."""

    files: list[str]
    spoilt: list[str]


class Folder:
    """A source folder with a metadata.csv that faults are planted in; every fault takes its victims from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with (root / "metadata.csv").open(newline="") as file:
            self.rows: list[Row] = list(csv.DictReader(file))
        self.raw: dict[int, str] = {}  # rows that are written as they stand here
        self._fresh = [Victim(self, number) for number in range(len(self.rows))]

    def victim(self, label: str) -> "Victim":
        """A picture of a class that no fault has touched yet."""
        found = next(victim for victim in self._fresh if victim.row["label"] == label)
        self._fresh.remove(found)
        return found

    def save(self) -> None:
        """Write the table as the faults left it."""
        lines = [",".join(self.rows[0])]
        lines += [self.raw.get(number, ",".join(row.values())) for number, row in enumerate(self.rows)]
        (self.root / "metadata.csv").write_text("\n".join(lines))


class Victim:
    """One row of the table, its picture and its mask."""

    def __init__(self, folder: Folder, number: int) -> None:
        self.folder, self.number, self.row = folder, number, folder.rows[number]
        self.origin = self.row["image_path"]

    @property
    def image(self) -> Path:
        return self.folder.root / self.row["image_path"]

    @property
    def mask(self) -> Path:
        return self.folder.root / self.row["mask_path"]

    @property
    def pixels(self) -> NDArray[Any]:
        return read_image(self.image)

    def places(self) -> SimpleNamespace:
        """What a line about it may name, relative to the folder."""
        row = f"metadata.csv row {self.number + 2}"
        return SimpleNamespace(image=self.row["image_path"], mask=self.row["mask_path"], row=row)

    def save(self, pixels: NDArray[Any] | Image.Image, suffix: str = ".png", **options: Any) -> None:
        """Replace the picture by one of another kind."""
        self.image.unlink()
        self.row["image_path"] = str(Path(self.origin).with_suffix(suffix))
        (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(self.image, **options)

    def cut(self, share: float) -> None:
        """Truncate the picture's file."""
        data = self.image.read_bytes()
        self.image.write_bytes(data[: int(len(data) * share)])

    def draw(self, mask: NDArray[Any]) -> None:
        write_mask(self.mask, mask)


Plant = Callable[..., object]


def plant_all(root: Path) -> dict[str, Planted]:
    """Plant every fault in a drawn folder; what must be named of each."""
    folder, planted = Folder(root), {}
    for name, fault in FAULTS.items():
        victims = [folder.victim(label) for label in fault.victims.split()]
        fault.plant(*victims)
        places = {letter: victim.places() for letter, victim in zip("abc", victims, strict=False)}
        last = f"metadata.csv row {len(folder.rows) + 1}"
        files = [file.format(last=last, **places) for file in fault.files.split("|")]
        stray = fault.files.partition("|")[0][0] not in "{."  # a file beside the pictures
        spoilt = [] if fault.warning or stray else [victim.row["image_path"] or victim.origin for victim in victims]
        planted[name] = Planted(files, spoilt)
    folder.save()
    return planted


def _call(victim: Victim, **columns: str) -> None:
    victim.row.update(columns)


def _bomb(victim: Victim) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    victim.image.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)


def _flip_a_bit(victim: Victim) -> None:
    data = bytearray(victim.image.read_bytes())
    data[len(data) // 2] ^= 4
    victim.image.write_bytes(data)


def _torn(suffix: str) -> Plant:
    def plant(victim: Victim) -> None:
        victim.save(victim.pixels, suffix)
        victim.cut(0.7)

    return plant


def _pages(suffix: str) -> Plant:
    def plant(victim: Victim) -> None:
        pixels = victim.pixels
        victim.save(pixels, suffix, save_all=True, append_images=[Image.fromarray(255 - pixels)])

    return plant


def _replace(make: Callable[[Path], object]) -> Plant:
    """Put something else where the picture is."""

    def plant(victim: Victim) -> None:
        victim.image.unlink()
        make(victim.image)

    return plant


def _link_out(victim: Victim) -> None:
    outside = victim.folder.root.parent / victim.image.name
    victim.image.replace(outside)
    victim.image.symlink_to(outside)


def _leave(victim: Victim) -> None:
    (victim.folder.root.parent / "outside.png").write_bytes(victim.image.read_bytes())
    _call(victim, image_path="../outside.png")


def _twice(victim: Victim) -> None:
    victim.folder.rows.append(dict(victim.row))


def _short(victim: Victim) -> None:
    victim.folder.raw[victim.number] = f"{victim.origin},"


def _marked_good(victim: Victim) -> None:
    _call(victim, mask_path=f"ground_truth/{victim.origin}")
    victim.mask.parent.mkdir(parents=True, exist_ok=True)
    victim.draw(victim.pixels > 99)


def _soften(victim: Victim) -> None:
    white = np.where(read_mask(victim.mask), 255, 0).astype(np.uint8)
    write_image(victim.mask, cv2.GaussianBlur(white, (0, 0), 1))


def _speckle(victim: Victim) -> None:
    mask = read_mask(victim.mask)
    corner = np.unravel_index(np.argmax(to_outside(~mask)), mask.shape)
    mask[corner] = True
    victim.draw(mask)


def _turn(how: int, height: int) -> Plant:
    """A picture that EXIF turns, its mask drawn on the stored pixels."""

    def plant(victim: Victim) -> None:
        exif = Image.Exif()
        exif[0x0112] = how
        victim.draw(read_mask(victim.mask)[:height])
        victim.save(victim.pixels[:height], exif=exif)

    return plant


def _brighten(pixels: NDArray[Any]) -> NDArray[Any]:
    noise = np.random.default_rng(0).normal(8, 1, pixels.shape)
    return np.clip(pixels * 1.05 + noise, 0, 255).astype(np.uint8)


def _same_as(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Plant:
    """The second picture, of another part by its row, shows what the first does."""

    def plant(first: Victim, second: Victim) -> None:
        second.save(change(first.pixels))
        _call(second, group=f"{second.row['group']}-again")

    return plant


def _few(*victims: Victim) -> None:
    for victim in victims:
        _call(victim, label="dent")


def _one_group(*victims: Victim) -> None:
    for victim in victims:
        _call(victim, label="burr", group="one")


def _dim(victim: Victim) -> None:
    victim.save(victim.pixels.astype(np.uint16) * 16)


def _put(name: str) -> Plant:
    """A file that belongs to nothing, a copy of the picture where it is one."""
    return lambda victim: (victim.folder.root / name).write_bytes(victim.image.read_bytes())


def _put_latin(victim: Victim) -> None:
    Path(os.fsdecode(bytes(victim.image.parent) + b"/caf\xe9.png")).write_bytes(victim.image.read_bytes())


FAULTS: dict[str, Fault] = {
    # files that are no picture, or not one that can be used
    "empty file": Fault("good", lambda a: a.image.write_bytes(b""), "{a.image}", "an empty file"),
    "text called PNG": Fault("good", lambda a: a.image.write_text("x"), "{a.image}", "not a readable picture of PNG"),
    "GIF called PNG": Fault("good", lambda a: a.save(a.pixels, format="GIF"), "{a.image}", "not a readable picture of"),
    "folder called PNG": Fault("good", _replace(Path.mkdir), "{a.image}", "a folder, not a picture"),
    "named pipe": Fault("good", _replace(os.mkfifo), "{a.image}", "no ordinary file"),
    "truncated PNG": Fault("good", _torn(".png"), "{a.image}", "not a readable picture"),
    "truncated JPEG": Fault("good", _torn(".jpg"), "{a.image}", "truncated"),
    "truncated TIFF": Fault("good", _torn(".tif"), "{a.image}", "not a readable picture"),
    "truncated WEBP": Fault("good", _torn(".webp"), "{a.image}", "not a readable picture"),
    "flipped bit": Fault("good", _flip_a_bit, "{a.image}", "not a readable picture"),
    "bomb": Fault("good", _bomb, "{a.image}", "cut it into tiles"),
    "float": Fault("good", lambda a: a.save(a.pixels.astype(np.float32), ".tif"), "{a.image}", "float32"),
    "pages": Fault("good", _pages(".tif"), "{a.image}", "2 pictures in one file"),
    "moving picture": Fault("good", _pages(".webp"), "{a.image}", "2 pictures in one file"),
    "transparent": Fault(
        "good", lambda a: a.save(np.dstack([a.pixels] * 3 + [255 - a.pixels])), "{a.image}", "transparent"
    ),
    "colour": Fault(
        "good", lambda a: a.save(np.dstack([a.pixels] * 3)), "{a.image}", "in colour, most pictures are grey"
    ),
    # names that lead nowhere, or out
    "missing picture": Fault("good", lambda a: a.image.unlink(), "{a.row}", "no such file; correct the path"),
    "path with ..": Fault("good", _leave, "{a.row}", "../outside.png leaves the folder"),
    "absolute path": Fault(
        "good", lambda a: _call(a, image_path=str(a.image.resolve())), "{a.row}", "leaves the folder"
    ),
    "link out": Fault("good", _link_out, "{a.row}", "a link that leaves the folder"),
    "backslashes": Fault(
        "good", lambda a: _call(a, image_path=a.origin.replace("/", "\\")), "{a.row}", "written with backslashes"
    ),
    "NUL": Fault("good", lambda a: _call(a, image_path=f"{a.origin}\0"), "{a.row}", "NUL"),
    "other capitals": Fault("good", lambda a: _call(a, image_path=a.origin.upper()), "{a.row}", "write it so"),
    "name in Latin-1": Fault("good", _put_latin, "good/caf?.png", "not written in UTF-8; rename it"),
    # rows
    "no image_path": Fault("good", lambda a: _call(a, image_path=""), "{a.row}", "no image_path; name the picture"),
    "no label": Fault("good", lambda a: _call(a, label=""), "{a.row}", "label ''"),
    "label that is a path": Fault("crack", lambda a: _call(a, label="../crack"), "{a.row}", "label '../crack'"),
    "label by case": Fault("crack", lambda a: _call(a, label="CRACK"), "{a.row}", "'CRACK' differs from 'crack'"),
    "label with a blank": Fault("crack", lambda a: _call(a, label="crack "), "{a.row}", "label 'crack '"),
    "defect without mask_path": Fault(
        "crack", lambda a: _call(a, mask_path=""), "{a.row}", "a crack without mask_path"
    ),
    "two rows": Fault("good", _twice, "{last}", "already; keep one of them"),
    "short row": Fault("good", _short, "{a.row}", "2 fields, the header has 4"),
    "good with a mask": Fault("good", _marked_good, "{a.row}", "a mask, though it is good", warning=True),
    # masks
    "missing mask": Fault("pit", lambda a: a.mask.unlink(), "{a.row}", "no such file"),
    "empty mask": Fault(
        "pit", lambda a: a.draw(read_mask(a.mask) & False), "{a.mask}", "an empty mask; draw the defect"
    ),
    "full mask": Fault("pit", lambda a: a.draw(read_mask(a.mask) | True), "{a.mask}", "a mask of the whole picture"),
    "mask of another size": Fault("pit", lambda a: a.draw(read_mask(a.mask)[:-1]), "{a.mask}", "96 x 95 pixels, its"),
    "truncated mask": Fault(
        "pit", lambda a: a.mask.write_bytes(a.mask.read_bytes()[:-40]), "{a.mask}", "not a readable"
    ),
    "mask of the stored picture": Fault("scratch", _turn(6, 80), "{a.mask}", "as EXIF turns it; save the picture"),
    "picture upside down": Fault("scratch", _turn(3, 96), "{a.image}", "its mask fits it either way", warning=True),
    "soft mask": Fault("scratch", _soften, "{a.mask}", "neither black nor white", warning=True),
    "inverted mask": Fault(
        "scratch", lambda a: a.draw(~read_mask(a.mask)), "{a.mask}", "is it inverted?", warning=True
    ),
    "speck": Fault("scratch", _speckle, "{a.mask}", "1 of 2 defects cover under 4 pixels", warning=True),
    # pictures that stand against others
    "labelled twice": Fault("good crack", _same_as(lambda p: p), "{a.image}|{b.image}", "the same picture as"),
    "saved twice": Fault("good good", _same_as(lambda p: p), "{b.image}", "the same picture as", warning=True),
    "nearly labelled twice": Fault("good crack", _same_as(_brighten), "{b.image}", "of another class", warning=True),
    "nearly saved twice": Fault("good good", _same_as(_brighten), "{b.image}", "fall into another split", warning=True),
    "black picture": Fault("good", lambda a: a.save(a.pixels & 0), "{a.image}", "every pixel is 0", warning=True),
    "small picture": Fault("good", lambda a: a.save(a.pixels[:40, :40]), "{a.image}", "40 x 40 pixels", warning=True),
    "other depth": Fault("good", _dim, "{a.image}", "16 bit, most pictures have 8", warning=True),
    "12 bit": Fault("good", _dim, ".", "no pixel of the 16 bit pictures is above", warning=True),
    "few of a class": Fault("stain stain stain", _few, ".", "3 pictures of dent, too few", warning=True),
    "a class of one group": Fault("pit pit", _one_group, ".", "2 pictures of burr are of one group", warning=True),
    # files that belong to nothing
    "mask of nothing": Fault(
        "crack", _put("ground_truth/crack/99.png"), "ground_truth/crack/99.png", "of no picture", True
    ),
    "picture of nothing": Fault("good", _put("good/99.png"), "good/99.png", "belongs to no class", True),
    "unknown picture": Fault("good", _put("good/99.heic"), "good/99.heic", "no file that is read (.heic)", True),
    "other table": Fault("good", _put("metadata.xlsx"), "metadata.xlsx", "no file that is read (.xlsx)", True),
}
