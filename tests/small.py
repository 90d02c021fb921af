"""Small pictures, manifests and source folders that the tests of files, tables and stages start from."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from defectgen.imaging.files import Mask, Pixels, write_image, write_mask
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, mask_row, table
from defectgen.utility.verdict import not_measured

SHAPE = (48, 64)


def picture(seed: int, shape: tuple[int, int] = SHAPE, channels: int = 1, depth: int = 8) -> Pixels:
    """Noise over the whole range, so that a lost bit, a swapped channel or a lossy file shows."""
    size = shape if channels == 1 else (*shape, channels)
    return np.random.default_rng(seed).integers(0, 2**depth, size, dtype=np.uint8 if depth == 8 else np.uint16)


def disc(x: int, y: int, radius: int, shape: tuple[int, int] = SHAPE) -> Mask:
    """A filled circle."""
    return cv2.circle(np.zeros(shape, np.uint8), (x, y), radius, 1, -1).astype(bool)


def put_picture(folder: Path, image_id: str, pixels: Pixels, split: str = "train", clean_id: str = "") -> Row:
    """Write a picture into a manifest's folder; returns its row. Its group is its id."""
    path = f"images/{image_id}.png"
    write_image(folder / path, pixels)
    return image_row(image_id, path, pixels, split, image_id, clean_id)


def put_mask(folder: Path, instance_id: str, image_id: str, label: str, mask: Mask) -> Row:
    """Write a mask into a manifest's folder; returns its row."""
    path = f"masks/{instance_id}.png"
    write_mask(folder / path, mask)
    return mask_row(instance_id, image_id, label, path, mask)


def real_manifest(folder: Path) -> Manifest:
    """Two clean training pictures, a clean test picture, and a training picture with a crack and a dent; unsaved."""
    names = ("clean-a", "clean-b", "broken")
    images = [put_picture(folder, name, picture(number)) for number, name in enumerate(names)]
    images.append(put_picture(folder, "unseen", picture(3), "test"))
    instances = [
        put_mask(folder, "real-crack", "broken", "crack", disc(12, 12, 5)),
        put_mask(folder, "real-dent", "broken", "dent", disc(45, 30, 8)),
    ]
    return Manifest(folder, table(images, IMAGES), table(instances, INSTANCES))


def synthetic_manifest(folder: Path) -> Manifest:
    """Three pictures, unsaved: a crack in two pieces; a dent, a crack and a rejected one; none that was accepted."""
    names = ("drawn-a", "drawn-b", "drawn-c")
    images = [put_picture(folder, name, picture(10 + n), clean_id="clean-a") for n, name in enumerate(names)]
    instances = [
        put_mask(folder, "pieces", "drawn-a", "crack", disc(12, 12, 5) | disc(45, 30, 8)) | {"status": "accepted"},
        put_mask(folder, "dent", "drawn-b", "dent", disc(30, 20, 6)) | {"status": "accepted"},
        put_mask(folder, "crack", "drawn-b", "crack", disc(50, 40, 4)) | {"status": "accepted"},
        put_mask(folder, "refused", "drawn-b", "crack", disc(8, 40, 4)) | {"status": "rejected"},
        put_mask(folder, "failed", "drawn-c", "dent", disc(8, 8, 4)) | {"status": "failed"},
    ]
    return Manifest(folder, table(images, IMAGES), table(instances, INSTANCES))


def write_classes(root: Path, counts: dict[str, int], shape: tuple[int, int] = SHAPE) -> None:
    """Class folders with their masks; every picture is different, every defect a disc."""
    for kind, (label, count) in enumerate(counts.items()):
        for number in range(count):
            write_image(root / label / f"{number:03}.png", picture(1000 * kind + number, shape))
            if label != "good":
                write_mask(root / "ground_truth" / label / f"{number:03}.png", disc(20 + number, 20, 6, shape))


def write_csv(root: Path, rows: list[Row]) -> None:
    """A metadata.csv; every row is a dictionary of its columns."""
    pd.DataFrame(rows).to_csv(root / "metadata.csv", index=False)


def csv_rows(source: Path) -> list[dict[str, str]]:
    """Write pictures into one folder; returns the rows of a table that says what they are: "012", "no" or "good"."""
    rows = []
    for number in range(16):
        label = ("good", "012", "no", "good")[number % 4]
        write_image(source / f"shots/{number:02}.png", picture(number))
        mask = "" if label == "good" else f"labels/{number:02}.png"
        if mask:
            write_mask(source / mask, disc(20, 20, 5))
        group = f"{number // 4:03}" if number % 2 else "1e3"
        rows.append({"image_path": f"shots/{number:02}.png", "mask_path": mask, "label": label, "group": group})
    return rows


def one_line(error: object) -> str:
    """The message of a user's error, which is one line."""
    message = str(error)
    assert "\n" not in message.strip()
    return message


def unmeasured(folder: Path) -> Path:
    """A folder as `evaluate` leaves it that had nothing to measure with."""
    not_measured("nothing to test on").save(folder)
    return folder
