"""The two tables every stage reads and writes, their schema, their ids and their digest.

    images.parquet      one row per picture
    instances.parquet   one row per defect (of synthetic data: one row per attempt to draw one)

Paths are relative to the manifest's folder, POSIX, and stay inside it. Stages may add columns of their own.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from defectgen.errors import UserError
from defectgen.imaging.files import Mask, Pixels, pixel_hash, write_atomic
from defectgen.imaging.read import read_image, read_mask

GOOD = "good"
SPLITS = ("train", "val", "test", "reserve")
STATUSES = ("accepted", "rejected", "failed")

_INSIDE = pa.Check(
    lambda path: not (path.startswith("/") or ".." in path.split("/") or "\\" in path),
    element_wise=True,
    error="path leaves the manifest's folder",
)
_POSITIVE = pa.Check.gt(0)

IMAGES = pa.DataFrameSchema(
    {
        "image_id": pa.Column(str, unique=True),
        "image_path": pa.Column(str, _INSIDE, unique=True),
        "image_sha256": pa.Column(str, pa.Check.str_length(64, 64)),
        "split": pa.Column(str, pa.Check.isin(SPLITS)),
        "group": pa.Column(str),
        "width": pa.Column(int, _POSITIVE),
        "height": pa.Column(int, _POSITIVE),
        "channels": pa.Column(int, pa.Check.isin([1, 3])),
        "depth": pa.Column(int, pa.Check.isin([8, 16])),
        "synthetic": pa.Column(bool),
        "clean_id": pa.Column(str),  # of a synthetic picture: the one under it, of a healed one defective; else ""
    },
    checks=pa.Check(
        lambda images: ~(images["synthetic"] & images["split"].isin(["val", "test"])),
        error="synthetic pictures can never be in val or test",
    ),
)

INSTANCES = pa.DataFrameSchema(
    {
        "instance_id": pa.Column(str, unique=True),
        "image_id": pa.Column(str),
        "label": pa.Column(str, pa.Check.ne(GOOD)),
        "mask_path": pa.Column(str, _INSIDE),
        "mask_sha256": pa.Column(str),
        "x": pa.Column(int),
        "y": pa.Column(int),
        "w": pa.Column(int, _POSITIVE),
        "h": pa.Column(int, _POSITIVE),
        "status": pa.Column(str, pa.Check.isin(STATUSES), required=False),
    },
)


@dataclass(frozen=True)
class Manifest:
    """A folder of pictures and masks with its two tables.

    images: schema IMAGES; instances: schema INSTANCES, `image_id` pointing into images.
    """

    folder: Path
    images: pd.DataFrame
    instances: pd.DataFrame

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read and validate both tables.

        Raises:
            UserError: a table is missing or breaks its schema.
        """
        tables = []
        for name in ("images", "instances"):
            path = folder / f"{name}.parquet"
            if not path.is_file():
                raise UserError(f"{path}: no such table; run the stage that makes {folder}")
            try:
                tables.append(pd.read_parquet(path))
            except (OSError, ValueError) as error:
                raise UserError(f"{path}: cannot be read ({_line(error)}); make the folder anew") from None
        return cls(folder, *tables).validated()

    def save(self) -> str:
        """Validate, write both tables (pictures must be there already) and return the digest."""
        self.validated()
        for name, table in (("instances", self.instances), ("images", self.images)):
            write_table(self.folder / f"{name}.parquet", table)
        return self.digest()

    def validated(self) -> "Manifest":
        """Check both schemas and that every instance of an existing picture points to one."""
        for name, schema, table in (("images", IMAGES, self.images), ("instances", INSTANCES, self.instances)):
            try:
                schema.validate(table)
            except pa.errors.SchemaError as error:
                raise UserError(f"{self.folder / name}.parquet: {_line(error)}; make the folder anew") from None
        drawn = self.accepted()
        stray = drawn.loc[~drawn["image_id"].isin(self.images["image_id"]), "instance_id"]
        if len(stray):
            raise UserError(f"{self.folder}/instances.parquet: {stray.iloc[0]} belongs to no picture; make it anew")
        return self

    def accepted(self) -> pd.DataFrame:
        """The instances that count: all of a real set, the accepted ones of a synthetic set."""
        if "status" not in self.instances:
            return self.instances
        return self.instances[self.instances["status"] == "accepted"]

    def labels(self) -> list[str]:
        """Defect classes present, sorted."""
        return sorted(self.instances["label"].unique())

    def digest(self) -> str:
        """SHA-256 of the sorted (id, content hashes, label), independent of row order, workers and restarts.

        Of a picture every column that ends in _sha256 counts: what a stage keeps beside it is content too.
        """
        hashes = [column for column in self.images if column.endswith("_sha256")]
        pictures = self.images[["image_id", *hashes, "split"]].itertuples(index=False)
        defects = self.instances.assign(status=self.instances.get("status", ""))[
            ["instance_id", "mask_sha256", "label", "status"]
        ].itertuples(index=False)
        lines = sorted("|".join(filter(None, row)) for row in pictures) + sorted("|".join(row) for row in defects)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def read(self, row: pd.Series) -> Pixels:
        """The picture of an images row; its content must be what the table says.

        Raises:
            UserError: the file is missing, unreadable, or not the one the table describes.
        """
        pixels = read_image(self.folder / str(row["image_path"]))
        self._verify(pixels, row["image_path"], row["image_sha256"])
        return pixels

    def read_mask(self, row: pd.Series) -> Mask:
        """The full-size mask of an instances row, verified like `read`."""
        mask = read_mask(self.folder / str(row["mask_path"]))
        self._verify(mask, row["mask_path"], row["mask_sha256"])
        return mask

    def _verify(self, pixels: Pixels | Mask, path: str, sha256: str) -> None:
        if pixel_hash(pixels) != sha256:
            raise UserError(f"{self.folder / path}: content differs from the manifest; make the folder anew")


def _line(error: Exception) -> str:
    """The beginning of an exception's message as one line."""
    return " ".join(str(error).split())[:200]


Row = dict[str, Any]


def image_row(image_id: str, path: str, pixels: Pixels, split: str, group: str, clean_id: str = "") -> Row:
    """One row of images.parquet for native pixels; a `clean_id` makes it synthetic."""
    return {
        "image_id": image_id,
        "image_path": path,
        "image_sha256": pixel_hash(pixels),
        "split": split,
        "group": group,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "channels": 1 if pixels.ndim == 2 else 3,
        "depth": pixels.dtype.itemsize * 8,
        "synthetic": bool(clean_id),
        "clean_id": clean_id,
    }


def mask_row(instance_id: str, image_id: str, label: str, path: str, mask: Mask) -> Row:
    """One row of instances.parquet for a full-size mask with at least one defect pixel; the box is tight."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return {
        "instance_id": instance_id,
        "image_id": image_id,
        "label": label,
        "mask_path": path,
        "mask_sha256": pixel_hash(mask),
        "x": int(columns[0]),
        "y": int(rows[0]),
        "w": int(columns[-1] - columns[0] + 1),
        "h": int(rows[-1] - rows[0] + 1),
    }


def table(rows: Iterable[Row], schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Rows as a frame that has the schema's columns and types even when there are none."""
    frame = pd.DataFrame(list(rows))
    if frame.empty:
        required = {name: column for name, column in schema.columns.items() if column.required}
        frame = pd.DataFrame({name: pd.Series(dtype=str(column.dtype)) for name, column in required.items()})
    return frame


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Write one parquet table atomically."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomic(path, buffer.getvalue())


def make_id(*fields: object) -> str:
    """A 16-digit hexadecimal id: the hash of the fields, the same on every machine."""
    return hashlib.sha256("\x1f".join(map(str, fields)).encode()).hexdigest()[:16]


def make_seed(*fields: object) -> int:
    """A 63-bit seed from any fields: hash(plan seed, row, attempt) and the like."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, fields)).encode()).digest()[:8], "big") >> 1
