"""ingest: every fault of a source folder is one line that says where and what to do, and nothing half is left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small import SHAPE, csv_rows, disc, one_line, write_classes, write_csv

from defectgen.errors import UserError
from defectgen.imaging.files import write_mask
from defectgen.stages.ingest import ingest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_classes(tmp_path / "source", {"good": 8, "crack": 4, "dent": 4})
    return tmp_path / "source"


Break = Callable[[Path], None]


def _table(change: Callable[[list[dict[str, str]]], None]) -> Break:
    def apply(source: Path) -> None:
        rows = csv_rows(source)
        change(rows)
        write_csv(source, rows)

    return apply


def _text(content: bytes) -> Break:
    return lambda source: (source / "metadata.csv").write_bytes(content) and None


def _drop(column: str) -> Break:
    return _table(lambda rows: [row.pop(column) for row in rows] and None)


def _value(row: int, column: str, value: str) -> Break:
    return _table(lambda rows: rows[row].update({column: value}))


FAULTS: dict[str, tuple[Break, list[str]]] = {
    "missing mask": (lambda s: (s / "ground_truth/crack/001.png").unlink(), ["crack/001.png", "no mask", "draw one"]),
    "empty mask": (
        lambda s: write_mask(s / "ground_truth/dent/002.png", np.zeros(SHAPE, bool)),
        ["ground_truth/dent/002.png", "empty mask", "good/"],
    ),
    "mask of another size": (
        lambda s: write_mask(s / "ground_truth/dent/002.png", disc(9, 9, 5, (48, 63))),
        ["ground_truth/dent/002.png", "(48, 63)", "(48, 64)"],
    ),
    "broken picture": (lambda s: (s / "good/000.png").write_bytes(b"no picture") and None, ["good/000.png"]),
    "no pictures": (lambda s: [path.unlink() for path in s.rglob("*.png")] and None, ["source", "no pictures", "good"]),
    "missing column": (_drop("label"), ["metadata.csv", "label", "header"]),
    "no such split": (_value(2, "split", "Train"), ["metadata.csv row 4", "Train", "reserve"]),
    "defect without a mask": (_value(1, "mask_path", ""), ["metadata.csv row 3", "012", "mask"]),
    "missing file": (_value(1, "mask_path", "labels/77.png"), ["labels/77.png", "no such file", "correct the path"]),
    "path leaving the folder": (_value(4, "image_path", "../00.png"), ["metadata.csv row 6", "leaves the folder"]),
    "mask leaving the folder": (_value(1, "mask_path", "../../00.png"), ["metadata.csv row 3", "leaves the folder"]),
    "absolute path": (_value(0, "image_path", "/etc/00.png"), ["metadata.csv row 2", "/etc/00.png", "below"]),
    "no path": (_value(3, "image_path", ""), ["metadata.csv row 5", "image_path"]),
    "no label": (_value(3, "label", ""), ["metadata.csv row 5", "label"]),
    "label that is a path": (_value(1, "label", "../crack"), ["metadata.csv row 3", "../crack"]),
    "picture named twice": (_value(5, "image_path", "shots/01.png"), ["metadata.csv row 7", "shots/01.png", "row 3"]),
    "split for some": (_value(0, "split", "train"), ["shots/01.png", "no split", "fill the column"]),
    "empty table": (_text(b""), ["metadata.csv"]),
    "table with torn lines": (_text(b"image_path,mask_path,label\na,b,c\nd,e,f,g\n"), ["metadata.csv"]),
    "table of another encoding": (_text("image_path,mask_path,label\nä,,good".encode("utf-16")), ["metadata.csv"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_says_where(source: Path, tmp_path: Path, fault: str) -> None:
    apply, words = FAULTS[fault]
    apply(source)
    with pytest.raises(UserError) as error:
        ingest(tmp_path / "out", "tile", 0, source=source)
    message = one_line(error.value)
    assert all(word in message for word in words), message
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_an_absolute_path_inside_the_folder_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = csv_rows(tmp_path / "source")
    rows[0]["image_path"] = str(tmp_path / "source/shots/00.png")
    write_csv(tmp_path / "source", rows)
    with pytest.raises(UserError, match=r"row 2.*use a path below"):
        ingest(Path("out"), "tile", 0, source=Path("source"))


def test_unknown_folders_and_layouts_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder; set ingest\.source"):
        ingest(tmp_path / "out", "tile", 0, source=tmp_path / "nowhere")
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=r"photos: neither good/ .* nor MVTec AD"):
        ingest(tmp_path / "out", "tile", 0, source=tmp_path / "photos")
