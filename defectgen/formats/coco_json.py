"""Reading COCO's annotations.json: pictures, categories and annotations by their ids, every broken one named by its id.

A picture without annotations is clean. One with a broken annotation is not used at all: without its defect it would
teach that defects are fine. A crowd is taken for one mask of several defects. `groups.csv` (file_name, group) says
which pictures show the same part.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from defectgen.errors import BadInput, UserError
from defectgen.formats.labels import check_label
from defectgen.formats.masks import ANEW, Size, parse_segmentation
from defectgen.formats.records import Annotation, Listing, Record
from defectgen.formats.rows import read_table
from defectgen.imaging.read import MAX_PIXELS
from defectgen.manifest import GOOD

FILE = "annotations.json"
IMAGES = "images"
GROUPS = "groups.csv"
Entry = dict[str, Any]
Entries = list[tuple[str, Entry]]  # with what a message calls each


@dataclass
class _Picture:
    """One entry of `images` with the annotations found for it so far."""

    where: str
    path: Path
    size: Size
    annotations: list[Annotation] = field(default_factory=list)


def read_annotations(listing: Listing) -> None:
    """The pictures of the folder's annotations.json.

    Raises:
        UserError: it is no JSON, or has no lists of images, annotations and categories.
    """
    content = _load(listing.tree.find(listing.root, FILE))
    images, annotations, categories = (_entries(listing, content, kind) for kind in content)
    pictures = _pictures(listing, images)
    classes = _Classes(categories, annotations)
    ids = _ids(annotations)
    for where, entry in annotations:
        key = repr(entry.get("image_id"))
        picture = pictures.get(key)
        try:
            if picture is not None:
                picture.annotations.append(_annotation(listing, where, entry, picture, classes, ids))
            elif key not in pictures:
                raise BadInput(where, f"picture {key} is not among the images", ANEW)
        except BadInput as error:
            listing.problems.refuse(error, picture.path if picture else None)
    groups = _groups(listing)
    for picture in filter(None, pictures.values()):
        record = Record(picture.path, picture.where, picture.annotations, groups.get(picture.path), None, picture.size)
        listing.records.append(record)


def _load(path: Path) -> dict[str, list[Any]]:
    """The three lists of the file."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: no JSON ({reason}); {ANEW}") from None
    kinds = ("images", "annotations", "categories")
    missing = [kind for kind in kinds if not isinstance(content, dict) or not isinstance(content.get(kind), list)]
    if missing:
        raise UserError(f"{path}: no list of {', '.join(missing)}; export the annotations as COCO instances")
    return {kind: content[kind] for kind in kinds}


def _entries(listing: Listing, content: Mapping[str, list[Any]], kind: str) -> Entries:
    """The objects of a list; anything else in it is a problem."""
    path, singular = listing.root / FILE, {"categories": "category"}.get(kind, kind.removesuffix("s"))
    for number, entry in enumerate(content[kind], 1):
        if not isinstance(entry, dict):
            listing.problems.refuse(BadInput(f"{path} {singular} number {number}", "no JSON object", ANEW))
    return [(f"{path} {singular} {entry.get('id')}", entry) for entry in content[kind] if isinstance(entry, dict)]


def _ids(entries: Entries) -> Counter[str]:
    return Counter(repr(entry.get("id")) for _, entry in entries)


def _check_id(where: str, entry: Entry, ids: Mapping[str, int]) -> None:
    if entry.get("id") is None:
        raise BadInput(where, "no id", "number the entries")
    if ids[repr(entry["id"])] > 1:
        raise BadInput(where, "its id is used more than once", "number the entries anew")


def _pictures(listing: Listing, entries: Entries) -> dict[str, _Picture | None]:
    """The entries of `images` by id; None: one that cannot be used, which is noted."""
    pictures: dict[str, _Picture | None] = {}
    first: dict[Path, str] = {}
    ids = _ids(entries)
    for where, entry in entries:
        file = None
        key = repr(entry.get("id"))
        try:
            file = _file(listing, where, entry.get("file_name"))
            _check_id(where, entry, ids)
            if file in first:
                raise BadInput(where, f"{entry['file_name']} has an entry already, {first[file]}", "keep one of them")
            first[file] = f"image {entry['id']}"
            pictures[key] = _Picture(where, file, _size(where, entry))
        except BadInput as error:
            pictures[key] = None
            listing.problems.refuse(error, file)
    return pictures


def _file(listing: Listing, where: str, name: object) -> Path:
    """The picture of this name in `images/`, or relative to the folder."""
    if not isinstance(name, str) or not name:
        raise BadInput(where, "no file_name", ANEW)
    return listing.tree.find(where, name, IMAGES)


def _size(where: str, entry: Entry) -> Size:
    width, height = entry.get("width"), entry.get("height")
    if type(width) is not int or type(height) is not int or not (0 < width * height <= MAX_PIXELS and width > 0):
        raise BadInput(where, f"width {width!r} and height {height!r} are no size of a picture", ANEW)
    return height, width


class _Classes:
    """The names of the categories by id, and how often each is annotated."""

    def __init__(self, categories: Entries, annotations: Entries) -> None:
        self.names: dict[str, list[Any]] = defaultdict(list)
        for _, entry in categories:
            self.names[repr(entry.get("id"))].append(entry.get("name"))
        used = (self.names.get(repr(entry.get("category_id")), []) for _, entry in annotations)
        self.counts = Counter(name for names in used for name in names if isinstance(name, str))

    def label(self, where: str, category: object) -> str:
        """The label of a category.

        Raises:
            BadInput: there is none or several of this id, or its name can name no class of defect.
        """
        names = self.names.get(repr(category), [])
        if not names:
            raise BadInput(where, f"category {category!r} is not among the categories", ANEW)
        if len(names) > 1:
            raise BadInput(where, f"category {category!r} stands for {' and '.join(map(repr, names))}", ANEW)
        label = check_label(where, names[0], self.counts)
        if label == GOOD:
            raise BadInput(where, f"a defect of class {GOOD}", "name the defect, or remove the annotation")
        return label


def _annotation(
    listing: Listing, where: str, entry: Entry, picture: _Picture, classes: _Classes, ids: Mapping[str, int]
) -> Annotation:
    _check_id(where, entry, ids)
    label = classes.label(where, entry.get("category_id"))
    if entry.get("iscrowd"):
        listing.problems.warn(where, "a crowd, used as one mask of several defects", "draw each defect by itself")
    return Annotation(label, parse_segmentation(where, entry.get("segmentation"), picture.size))


def _groups(listing: Listing) -> dict[Path, str]:
    """The groups of groups.csv by picture."""
    groups: dict[Path, str] = {}
    if not (listing.root / GROUPS).is_file():
        return groups
    rows = read_table(listing.tree.find(listing.root, GROUPS), ["file_name", "group"], listing.problems)
    for where, row in rows.items():
        try:
            file = _file(listing, where, row["file_name"])
        except BadInput as error:
            listing.problems.warn(where, error.what, error.mend)
            continue
        if groups.setdefault(file, row["group"]) != row["group"]:
            what = f"{row['file_name']} is in group {groups[file]} already"
            listing.problems.refuse(BadInput(where, what, "keep one of the rows"), file)
    return {file: group for file, group in groups.items() if group}
