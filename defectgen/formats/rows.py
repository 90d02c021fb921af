"""Tables of a source folder: CSV with a header, UTF-8, commas. Everything is text: "012" and "no" stay as written.

`metadata.csv` (image_path, mask_path, label, optionally group and split): its rows are the pictures, whatever the
folders are called; paths are relative to the folder.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from defectgen.errors import BadInput, UserError
from defectgen.formats.labels import check_label
from defectgen.formats.masks import MaskFile
from defectgen.formats.records import Annotation, Listing, Record
from defectgen.manifest import GOOD, SPLITS
from defectgen.problems import Problems

TABLE = "metadata.csv"
Row = dict[str, str]


def read_rows(listing: Listing) -> None:
    """The pictures of the folder's metadata.csv."""
    path = listing.tree.find(listing.root, TABLE)
    rows = read_table(path, ["image_path", "mask_path", "label"], listing.problems)
    counts = Counter(row["label"] for row in rows.values())
    first: dict[Path, str] = {}
    for where, row in rows.items():
        image = None
        for column in ("image_path", "mask_path"):
            listing.tree.mention(row[column])
        try:
            if not row["image_path"]:
                raise BadInput(where, "no image_path", "name the picture or remove the row")
            image = listing.tree.find(where, row["image_path"])
            if first.setdefault(image, where) != where:
                raise BadInput(where, f"{row['image_path']} is in {first[image]} already", "keep one of them")
            annotations = _annotations(listing, where, row, counts)
            record = Record(image, where, annotations, row.get("group") or None, _split(where, row))
        except BadInput as error:
            listing.problems.refuse(error, image)
        else:
            listing.records.append(record)


def read_table(path: Path, columns: Sequence[str], problems: Problems) -> dict[str, Row]:
    """The rows of a CSV by what a message calls them; a row with too few or too many fields becomes a problem.

    Raises:
        UserError: it cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read ({reason}); save it as CSV with commas, in UTF-8") from None
    header = [name.strip() for name in lines[0]] if lines else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; the header must name them, with commas between")
    double = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    if double:
        raise UserError(f"{path}: several columns {', '.join(double)}; keep one of each")
    rows = {}
    for number, fields in enumerate(lines[1:], 2):
        where = f"{path} row {number}"
        if len(fields) < len(header) or any(fields[len(header) :]):
            if fields:
                what = f"{len(fields)} fields, the header has {len(header)}"
                problems.refuse(BadInput(where, what, "mend its commas and quotes"))
            continue
        rows[where] = dict(zip(header, fields, strict=False))
    return rows


def _annotations(listing: Listing, where: str, row: Row, counts: Mapping[str, int]) -> list[Annotation]:
    label, mask = check_label(where, row["label"], counts), row["mask_path"]
    if label == GOOD:
        if mask:
            listing.problems.warn(where, f"a mask, though it is {GOOD}", "remove the mask_path or name the defect")
        return []
    if not mask:
        raise BadInput(where, f"a {label} without mask_path", f"name its mask or label it {GOOD}")
    return [Annotation(label, MaskFile(listing.tree.find(where, mask)))]


def _split(where: str, row: Row) -> str | None:
    split = row.get("split") or None
    if split and split not in SPLITS:
        raise BadInput(where, f"split {split!r}", f"use one of {', '.join(SPLITS)}")
    return split
