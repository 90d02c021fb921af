"""ingest: every fault of a source folder is one line that says where and what to do, and nothing half is left."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small import SHAPE, csv_rows, disc, one_line, picture, write_classes, write_csv

from defectgen.errors import UserError
from defectgen.imaging.files import write_image, write_mask
from defectgen.manifest import Manifest
from defectgen.problems import Problem
from defectgen.stages.ingest import _leave_out, ingest


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
        ["ground_truth/dent/002.png", "63 x 48 pixels, its picture has 64 x 48"],
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
    with pytest.raises(UserError, match=r"nowhere: no such folder; correct the path"):
        ingest(tmp_path / "out", "tile", 0, source=tmp_path / "nowhere")
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=r"photos: neither good/ .* nor MVTec AD"):
        ingest(tmp_path / "out", "tile", 0, source=tmp_path / "photos")
    write_classes(tmp_path / "photos", {"good": 1})
    (tmp_path / "photos/annotations.json").write_text("{}")
    with pytest.raises(UserError, match="photos: looks like folders and like coco; say which in `layout`"):
        ingest(tmp_path / "out", "tile", 0, source=tmp_path / "photos")
    with pytest.raises(UserError, match="no list of images"):
        ingest(tmp_path / "out", "tile", 0, source=tmp_path / "photos", layout="coco")
    ingest(tmp_path / "out", "tile", 0, source=tmp_path / "photos", layout="folders")


BAD = ("good/001.png", "crack/002.png", "dent/000.png")


def _spoil(source: Path) -> None:
    """Make the pictures of BAD unusable: truncated, without a mask, with an empty one."""
    path = source / BAD[0]
    path.write_bytes(path.read_bytes()[:-300])
    (source / "ground_truth" / BAD[1]).unlink()
    write_mask(source / "ground_truth" / BAD[2], np.zeros(SHAPE, bool))


def test_bad_pictures_are_left_out_as_if_they_were_not_there(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _spoil(source)
    digest = ingest(tmp_path / "a", "tile", 0, source=source, tolerate=0.2)
    printed = capsys.readouterr().out
    assert [printed.count(f"left out: {source}/{name}") for name in (*BAD[:2], f"ground_truth/{BAD[2]}")] == [1, 1, 1]
    with (tmp_path / "a/problems.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["severity"], Path(row["file"]).name) for row in rows] == [
        ("error", "002.png"),
        ("error", "001.png"),
        ("error", "000.png"),
    ]
    assert all(row["what"] and row["mend"] for row in rows)
    for name in BAD:
        (source / name).unlink()
    assert ingest(tmp_path / "b", "tile", 0, source=source, tolerate=0) == digest
    assert {path.name for path in (tmp_path / "a").rglob("*.png")} == {p.name for p in (tmp_path / "b").rglob("*.png")}


def test_what_only_another_picture_shows_to_be_bad_leaves_no_files(source: Path, tmp_path: Path) -> None:
    write_image(source / "good/000.png", picture(1000))  # what crack/000.png shows
    write_image(source / "good/007.png", picture(7, SHAPE, 3))
    ingest(tmp_path / "a", "tile", 0, source=source, tolerate=0.2)
    manifest = Manifest.load(tmp_path / "a")
    kept = {*manifest.images["image_path"], *manifest.instances["mask_path"]}
    assert {path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.png")} == kept
    names = {Path(path).relative_to(source).as_posix() for path in manifest.images["source_path"]}
    assert len(names) == 13 and not names & {"good/000.png", "good/007.png", "crack/000.png"}
    assert set(manifest.images["channels"]) == {1}


@pytest.mark.parametrize(("tolerate", "passes"), [(0.0, False), (0.18, False), (0.19, True), (1.0, True)])
def test_a_share_of_bad_pictures_is_tolerated(source: Path, tmp_path: Path, tolerate: float, passes: bool) -> None:
    _spoil(source)  # 3 of 16
    if passes:
        ingest(tmp_path / "out", "tile", 0, source=source, tolerate=tolerate)
        return
    with pytest.raises(UserError, match=r"3 of 16 pictures cannot be used.*`defectgen validate .*/source`") as error:
        ingest(tmp_path / "out", "tile", 0, source=source, tolerate=tolerate)
    one_line(error.value)
    assert (tmp_path / "out/problems.csv").is_file() and not list((tmp_path / "out").glob("*.parquet"))


def test_a_share_is_compared_as_it_is_written(tmp_path: Path) -> None:
    """0.29 x 100 is a little less than 29."""
    kept = _leave_out({str(n): Problem("error", "a", "b", "c") for n in range(29)}, 71, 0.29, tmp_path)
    assert kept is None
    with pytest.raises(UserError, match="30 of 100"):
        _leave_out({str(n): Problem("error", "a", "b", "c") for n in range(30)}, 70, 0.29, tmp_path)


def test_names_that_print_alike_are_not_taken_for_one(source: Path, tmp_path: Path) -> None:
    write_image(source / "good/a\x01.png", picture(900))
    (source / "good/a\x02.png").write_bytes(b"")
    ingest(tmp_path / "out", "tile", 0, source=source, tolerate=0.1)
    assert f"{source}/good/a\x01.png" in set(Manifest.load(tmp_path / "out").images["source_path"])


def test_something_must_be_left(source: Path, tmp_path: Path) -> None:
    for path in source.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="16 of 16 pictures cannot be used"):
        ingest(tmp_path / "out", "tile", 0, source=source, tolerate=1.0)


def test_only_the_first_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "my parts"
    write_classes(source, {"good": 40})
    for number in range(23):
        (source / f"good/{number:03}.png").write_bytes(b"")
    ingest(tmp_path / "out", "tile", 0, source=source, tolerate=0.6)
    lines = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert len(lines) == 21 and "an empty file" in lines[19]
    assert lines[20] == f"  left out: 3 more; `defectgen validate '{source}'` names them all"
    assert len((tmp_path / "out/problems.csv").read_text().splitlines()) == 1 + 23
