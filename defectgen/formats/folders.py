"""Class folders: `good/` and `<class>/` with pictures, `ground_truth/<class>/` with masks of the same stem.

An optional `metadata.csv` (image_path, mask_path, label, group, split; the last two optional) replaces the naming
rule: its rows are the pictures, paths relative to the folder.
"""

from os.path import normpath
from pathlib import Path

import pandas as pd

from defectgen.errors import UserError
from defectgen.formats.records import Annotation, Reader, Record
from defectgen.imaging.files import is_picture
from defectgen.manifest import GOOD, SPLITS

TABLE = "metadata.csv"
MASKS = "ground_truth"


class Folders(Reader):
    """Class folders with an optional CSV."""

    def recognises(self, root: Path) -> bool:
        return (root / TABLE).is_file() or (root / GOOD).is_dir()

    def read(self, root: Path) -> list[Record]:
        if (root / TABLE).is_file():
            return _read_table(root)
        classes = sorted(path for path in root.iterdir() if path.is_dir() and path.name != MASKS)
        return [record for folder in classes for record in read_class(folder, root / MASKS / folder.name)]


def read_class(folder: Path, masks: Path, split: str | None = None) -> list[Record]:
    """The pictures of one class folder, each defective one paired by stem with `<stem>.*` or `<stem>_mask.*`."""
    by_stem = {mask.stem.removesuffix("_mask"): mask for mask in pictures(masks)}
    records = []
    for image in pictures(folder):
        annotations = []
        if folder.name != GOOD:
            if image.stem not in by_stem:
                raise UserError(f"{image}: no mask {masks}/{image.stem}.png; draw one or move the picture to {GOOD}/")
            annotations = [Annotation(folder.name, by_stem[image.stem])]
        records.append(Record(image, str(image), annotations, split=split))
    return records


def pictures(folder: Path) -> list[Path]:
    """Picture files of a folder, sorted by name; none where there is no folder."""
    return sorted(path for path in folder.iterdir() if is_picture(path)) if folder.is_dir() else []


def _read_table(root: Path) -> list[Record]:
    path = root / TABLE
    try:
        # Class names and groups are text whatever they look like: "012" and "no" stay as written.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read ({reason}); save it as CSV with commas, in UTF-8") from None
    missing = {"image_path", "mask_path", "label"} - set(frame.columns)
    if missing:
        raise UserError(f"{path}: no column {', '.join(sorted(missing))}; the header must name them")
    first: dict[str, int] = {}
    for number, image in enumerate(map(normpath, frame["image_path"]), 2):
        if first.setdefault(image, number) != number:
            raise UserError(f"{path} row {number}: {image} is in row {first[image]} already; keep one of them")
    return [_row_record(root, f"{path} row {number}", row) for number, row in enumerate(frame.to_dict("records"), 2)]


def _row_record(root: Path, where: str, row: dict[str, str]) -> Record:
    label, mask, split = row["label"], row["mask_path"], row.get("split") or None
    if label in ("", ".", "..") or set(label) & set("/\\"):
        raise UserError(f"{where}: label {label!r}; name its class with a word that can name a folder")
    if not row["image_path"]:
        raise UserError(f"{where}: no image_path; name the picture or remove the row")
    if label != GOOD and not mask:
        raise UserError(f"{where}: a {label} without mask_path; name its mask or label it {GOOD}")
    if split and split not in SPLITS:
        raise UserError(f"{where}: split {split!r}; use one of {', '.join(SPLITS)}")
    for name in filter(None, (row["image_path"], mask)):
        if Path(name).is_absolute() or not (root / name).resolve().is_relative_to(root.resolve()):
            raise UserError(f"{where}: {name} leaves the folder; use a path below {root}, relative to it")
    annotations = [] if label == GOOD else [Annotation(label, root / mask)]
    return Record(root / row["image_path"], where, annotations, row.get("group") or None, split)
