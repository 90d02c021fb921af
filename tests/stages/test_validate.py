"""validate: it names every fault that is planted, cries no wolf, and ingest uses the rest."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from faults import FAULTS, Planted, plant_all
from small import csv_rows, picture, write_classes, write_csv

from defectgen.cli import main
from defectgen.drawing.plate import BrushedPlate
from defectgen.errors import UserError
from defectgen.imaging.files import write_image
from defectgen.manifest import Manifest
from defectgen.stages.draw import draw
from defectgen.stages.ingest import ingest
from defectgen.stages.validate import validate


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawn product, as it should be."""
    out = tmp_path_factory.mktemp("demo") / "plate"
    draw(out, product=BrushedPlate(size=96), clean=70, per_class=16, seed=1)
    return out


class Told(NamedTuple):
    """What `defectgen validate` said of a folder."""

    root: Path
    planted: dict[str, Planted]
    code: int
    printed: str
    table: list[dict[str, str]]


@pytest.fixture(scope="module")
def told(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Of a copy with every fault planted in it."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(demo, folder / "plate")
    planted = plant_all(folder / "plate")
    command = [
        sys.executable,
        "-m",
        "defectgen.cli",
        "validate",
        str(folder / "plate"),
        "--csv",
        str(folder / "out.csv"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    with (folder / "out.csv").open(newline="") as file:
        table = [row | {"file": row["file"].removeprefix(f"{folder}/plate/")} for row in csv.DictReader(file)]
    return Told(folder / "plate", planted, done.returncode, done.stdout + done.stderr, table)


def _file(row: dict[str, str], root: Path) -> str:
    return "." if row["file"] == str(root) else row["file"]


def test_a_good_folder_has_no_problems(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(demo)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("0 errors, 0 warnings\n")
    assert "134 pictures can be used: 96 x 96 (134), grey of 8 bit (134)" in printed


def test_there_are_forty_faults_and_more() -> None:
    assert len(FAULTS) >= 40


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_named(told: Told, name: str) -> None:
    fault = FAULTS[name]
    for file in told.planted[name].files:
        lines = [
            row
            for row in told.table
            if _file(row, told.root) == file and fault.words in f"{row['what']}; {row['mend']}"
        ]
        assert len(lines) == 1, (file, [row for row in told.table if _file(row, told.root) == file])
        assert lines[0]["severity"] == ("warning" if fault.warning else "error")
        assert lines[0]["what"] and lines[0]["mend"]


def test_nothing_else_is_an_error(told: Told) -> None:
    wanted = sorted(file for name, p in told.planted.items() if not FAULTS[name].warning for file in p.files)
    assert sorted(_file(row, told.root) for row in told.table if row["severity"] == "error") == wanted


def test_nobody_sees_a_traceback(told: Told) -> None:
    assert told.code == 1
    assert "Traceback" not in told.printed and "Error" not in told.printed
    errors = sum(row["severity"] == "error" for row in told.table)
    assert f"\n{errors} errors, {len(told.table) - errors} warnings\n" in told.printed
    for row in told.table:
        assert row["what"].replace(f"{told.root}/", "") in told.printed


def test_the_rest_is_ingested(told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly the pictures with errors are left out, and nothing but a line each is said about them."""
    spoilt = {name for planted in told.planted.values() for name in planted.spoilt}
    table = pd.read_csv(told.root / "metadata.csv", dtype=str, keep_default_na=False, on_bad_lines="skip")
    listed = set(table["image_path"]) - {""}
    ingest(tmp_path / "out", "plate", 0, source=told.root, tolerate=0.5)
    images = Manifest.load(tmp_path / "out").images
    used = {Path(path).relative_to(told.root).as_posix() for path in images["source_path"]}
    assert used == listed - spoilt
    assert len(spoilt) >= 35
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(UserError, match=r"pictures cannot be used.*`defectgen validate"):
        ingest(tmp_path / "strict", "plate", 0, source=told.root)


def _problems(root: Path) -> set[tuple[str, str, str]]:
    """Severity, file and what of every problem of a folder."""
    code = validate(root, csv=root.parent / "table.csv")
    with (root.parent / "table.csv").open(newline="") as file:
        rows = {(row["severity"], row["file"].removeprefix(f"{root}/"), row["what"]) for row in csv.DictReader(file)}
    assert code == any(severity == "error" for severity, *_ in rows)
    return {(severity, "." if file == str(root) else file, what) for severity, file, what in rows}


SHAPE = (70, 80)


def _classes(root: Path, **counts: int) -> Path:
    write_classes(root, counts, SHAPE)
    return root


def test_counts_say_what_to_expect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _problems(_classes(tmp_path / "few", good=3, crack=4, dent=5)) == {
        ("warning", ".", "3 clean pictures"),
        ("warning", ".", "4 pictures of crack, too few to train on"),
    }
    printed = capsys.readouterr().out.splitlines()
    assert "class  pictures  defects  groups  what to expect" in printed
    assert "crack         4        4       4  too few to train on" in printed
    assert "dent          5        5       5  few: little variety of shapes" in printed
    assert "no groups: say in a table which pictures show the same part, or training and test share parts" in printed
    assert _problems(_classes(tmp_path / "clean", good=20)) == {("error", ".", "no defects")}
    assert _problems(_classes(tmp_path / "one", good=20, crack=20)) == set()
    assert "one class: a detector can learn defect or not" in capsys.readouterr().out
    (tmp_path / "dirty/good").mkdir(parents=True)
    assert _problems(_classes(tmp_path / "dirty", crack=5)) == {
        ("error", ".", "no clean pictures"),
        ("warning", "good", "a class folder without pictures"),
    }


def _split_rows(source: Path) -> list[dict[str, str]]:
    """Rows with splits, every group in one; none too few of a class."""
    rows = csv_rows(source)
    for row in rows:
        row["split"] = "train" if row["group"] in ("1e3", "002") else "test"
    for number, row in enumerate(rows):
        write_image(source / row["image_path"], picture(number, SHAPE))
        if row["mask_path"]:
            mask = np.zeros(SHAPE, np.uint8)
            mask[20:30, 30:40] = 255
            write_image(source / row["mask_path"], mask)
    return rows


def _same_content(source: Path, rows: list[dict[str, str]]) -> None:
    write_image(source / "shots/03.png", picture(0, SHAPE))  # 00 is in train, 03 in test


def _nearly_the_same(source: Path, rows: list[dict[str, str]]) -> None:
    write_image(source / "shots/03.png", np.clip(picture(0, SHAPE), 0, 253) + np.uint8(1))


def _same_group(source: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["group"] = rows[3]["group"]


def _no_split(source: Path, rows: list[dict[str, str]]) -> None:
    rows[2]["split"] = ""


def _no_training(source: Path, rows: list[dict[str, str]]) -> None:
    for row in rows:
        if row["label"] == "012":
            row["split"] = "val"
            row["group"] += "-v"


@pytest.mark.parametrize(
    ("tear", "severity", "file", "what"),
    [
        (_same_content, "error", "shots/03.png", "the same picture as {}/shots/00.png, which is in another split"),
        (_same_group, "error", "shots/01.png", "of one group with {}/shots/00.png, which is in another split"),
        (
            _nearly_the_same,
            "warning",
            "shots/03.png",
            "nearly the same as {}/shots/00.png, which may fall into another split",
        ),
        (_no_split, "error", "metadata.csv row 4", "{}/shots/02.png has no split, others have one"),
        (_no_training, "error", ".", "no 012 in the split train"),
    ],
)
def test_supplied_splits_are_looked_through(
    tmp_path: Path, tear: Callable[[Path, list[dict[str, str]]], None], severity: str, file: str, what: str
) -> None:
    source = tmp_path / "source"
    rows = _split_rows(source)
    write_csv(source, rows)
    usual = _problems(source)
    assert {severity for severity, *_ in usual} == {"warning"}  # of so few pictures
    tear(source, rows)
    write_csv(source, rows)
    told = _problems(source) - usual
    assert (severity, file, what.format(source)) in told
    assert (file == "shots/01.png") + 1 == len([line for line in told if line[0] == severity])  # its group has two


def test_only_so_many_lines_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("defectgen.stages.validate.ROWS", 5)
    _classes(tmp_path / "source", good=9)
    for path in (tmp_path / "source/good").iterdir():
        path.write_bytes(b"")
    assert validate(tmp_path / "source") == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum("an empty file" in line for line in lines) == 3
    assert lines[6] == "... and 6 more; --csv FILE writes them all"  # 9, no clean pictures, no defects


def test_many_files_of_one_kind_are_one_line(tmp_path: Path) -> None:
    source = _classes(tmp_path / "source", good=20, crack=5)
    for number in range(25):
        (source / f"crack/{number:03}.json").write_text("{}")
    (source / "crack/.DS_Store").write_text("x")
    (source / "readme.txt").write_text("x")
    assert _problems(source) == {
        ("warning", "crack", "25 files, 000.json the first: no file that is read (.json)"),
    }


def test_nothing_is_written(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*")}
    validate(demo)
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*")} == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "nowhere: no such folder; correct the path"),
        (["."], ".: neither good/ with class folders, metadata.csv, annotations.json nor MVTec AD; see the README"),
        ([".", "--layout", "cocoo"], "command line: "),
        ([], "command line: "),
    ],
)
def test_what_cannot_start_is_one_line(
    words: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["validate", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"defectgen: error: {line}") and printed.err.count("\n") == 1


def test_paths_are_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _classes(tmp_path, good=20, crack=5)
    (tmp_path / "good/001.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert validate(Path()) == 1
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "error", "good/001.png", "an", "empty", "file", "copy", "it", "again", "or", "remove", "it",
    ]  # fmt: skip


def test_it_answers_without_torch(demo: Path) -> None:
    code = f"""if True:
        import sys
        from defectgen.cli import main
        assert main(["validate", {str(demo)!r}]) == 0
        print(*sys.modules, file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "mlflow", "lightning", "albumentations"} & set(done.stderr.split())
