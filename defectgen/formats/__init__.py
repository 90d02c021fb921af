"""One file per annotation format, each with a reader, a writer or both."""

from defectgen.formats.coco import Coco
from defectgen.formats.folders import Folders
from defectgen.formats.mvtec import MVTec
from defectgen.formats.records import Reader, Writer

READERS: dict[str, Reader] = {"mvtec": MVTec(), "folders": Folders()}  # in the order they are tried
WRITERS: dict[str, Writer] = {"mvtec": MVTec(), "coco": Coco()}
