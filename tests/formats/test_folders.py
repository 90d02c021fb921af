"""Class folders and tables as records: what belongs to what, in a fixed order, without opening a picture."""

from pathlib import Path

import pytest
from small import write_csv

from defectgen.errors import UserError
from defectgen.formats.folders import Folders, pictures


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_masks_belong_to_the_picture_of_the_same_stem(tmp_path: Path) -> None:
    _touch(tmp_path, "good/b.png", "good/a.jpg", "crack/2.tif", "crack/1.png", "good/notes.txt")
    _touch(tmp_path, "ground_truth/crack/1_mask.png", "ground_truth/crack/2.png", "ground_truth/crack/3.png")
    found = [
        (record.image.relative_to(tmp_path).as_posix(), [(n.label, n.mask.name) for n in record.annotations])
        for record in Folders().read(tmp_path)
    ]
    assert found == [
        ("crack/1.png", [("crack", "1_mask.png")]),
        ("crack/2.tif", [("crack", "2.png")]),
        ("good/a.jpg", []),
        ("good/b.png", []),
    ]


def test_a_table_wins_over_the_names(tmp_path: Path) -> None:
    _touch(tmp_path, "good/a.png", "good/ignored.png", "crack/ignored.png")
    write_csv(
        tmp_path,
        [
            {"image_path": "good/a.png", "mask_path": "m/a.png", "label": "0010", "group": "07", "split": "val"},
            {"image_path": "x/b.png", "mask_path": "", "label": "good", "group": "", "split": ""},
        ],
    )
    first, second = Folders().read(tmp_path)
    assert (first.image, first.group, first.split) == (tmp_path / "good/a.png", "07", "val")
    assert [(note.label, note.mask) for note in first.annotations] == [("0010", tmp_path / "m/a.png")]
    assert (second.annotations, second.group, second.split) == ([], None, None)
    assert second.where == f"{tmp_path}/metadata.csv row 3"


def test_group_and_split_may_be_left_out(tmp_path: Path) -> None:
    write_csv(tmp_path, [{"image_path": "a.png", "mask_path": "", "label": "good"}])
    (record,) = Folders().read(tmp_path)
    assert record.group is None and record.split is None


def test_every_missing_column_is_named(tmp_path: Path) -> None:
    write_csv(tmp_path, [{"image": "a.png", "label": "good"}])
    with pytest.raises(UserError, match=r"metadata\.csv: no column image_path, mask_path; the header"):
        Folders().read(tmp_path)


def test_what_is_recognised(tmp_path: Path) -> None:
    assert not Folders().recognises(tmp_path)
    _touch(tmp_path / "folders", "good/a.png")
    _touch(tmp_path / "table", "metadata.csv")
    assert Folders().recognises(tmp_path / "folders") and Folders().recognises(tmp_path / "table")
    assert pictures(tmp_path / "none") == []
