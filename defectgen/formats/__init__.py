"""One file per annotation format, each with a reader, a writer or both."""

from pathlib import Path
from typing import Literal

from defectgen.errors import UserError
from defectgen.formats.coco import Coco
from defectgen.formats.coco_json import FILE
from defectgen.formats.folders import Folders
from defectgen.formats.mvtec import MVTec
from defectgen.formats.records import Listing, Reader, Writer
from defectgen.formats.rows import TABLE
from defectgen.manifest import GOOD

READERS: dict[str, Reader] = {"mvtec": MVTec(), "folders": Folders(), "coco": Coco()}
WRITERS: dict[str, Writer] = {"mvtec": MVTec(), "coco": Coco()}
Layout = Literal["auto", "mvtec", "folders", "coco"]


def list_pictures(source: Path, layout: Layout) -> Listing:
    """The pictures of a source folder; `auto` looks how it is laid out.

    Raises:
        UserError: no such folder, no layout or several, a layout that is broken as a whole, or no pictures.
    """
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; correct the path")
    recognised = [name for name, reader in READERS.items() if reader.recognises(source)]
    names = recognised if layout == "auto" else [layout]
    if not names:
        raise UserError(f"{source}: neither {GOOD}/ with class folders, {TABLE}, {FILE} nor MVTec AD; see the README")
    if len(names) > 1:
        raise UserError(f"{source}: looks like {' and like '.join(names)}; say which in `layout`")
    listing = READERS[names[0]].read(source)
    if not listing.records and not listing.problems.errors():
        raise UserError(f"{source}: no pictures found; put clean ones into {source}/{GOOD}")
    return listing
