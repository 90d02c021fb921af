"""Class folders and tables as records: what belongs to what, in a fixed order, without opening a picture."""

from pathlib import Path
from unicodedata import normalize

import pytest
from small import one_line, write_csv

from defectgen.errors import UserError
from defectgen.formats.folders import Folders
from defectgen.formats.masks import MaskFile
from defectgen.formats.records import Listing, Record


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def masks(record: Record) -> list[tuple[str, str]]:
    """Label and file of each annotation."""
    assert all(isinstance(note.mask, MaskFile) for note in record.annotations)
    return [(note.label, note.mask.where) for note in record.annotations]


def faults(listing: Listing) -> dict[str, str]:
    """Where, relative to the folder -> what and mend."""
    root = f"{listing.root}/"
    return {p.where.removeprefix(root): f"{p.what}; {p.mend}" for p in listing.problems.all()}


def test_masks_belong_to_the_picture_of_the_same_stem(tmp_path: Path) -> None:
    _touch(tmp_path, "good/b.png", "good/a.jpg", "crack/2.tif", "crack/1.png", "good/notes.txt")
    _touch(tmp_path, "ground_truth/crack/1_mask.png", "ground_truth/crack/2.png", "ground_truth/crack/3.png")
    listing = Folders().read(tmp_path)
    found = [
        (record.image.relative_to(tmp_path).as_posix(), [(label, Path(mask).name) for label, mask in masks(record)])
        for record in listing.records
    ]
    assert found == [
        ("crack/1.png", [("crack", "1_mask.png")]),
        ("crack/2.tif", [("crack", "2.png")]),
        ("good/a.jpg", []),
        ("good/b.png", []),
    ]
    assert listing.problems.all() == []
    strays = [path.relative_to(tmp_path).as_posix() for path in listing.tree.unclaimed()]
    assert strays == ["good/notes.txt", "ground_truth/crack/3.png"]


def test_a_table_wins_over_the_names(tmp_path: Path) -> None:
    _touch(tmp_path, "good/a.png", "good/ignored.png", "crack/ignored.png")
    write_csv(
        tmp_path,
        [
            {"image_path": "good/a.png", "mask_path": "m/a.png", "label": "0010", "group": "07", "split": "val"},
            {"image_path": "x/b.png", "mask_path": "", "label": "good", "group": "", "split": ""},
        ],
    )
    _touch(tmp_path, "m/a.png", "x/b.png")
    listing = Folders().read(tmp_path)
    first, second = listing.records
    assert (first.image, first.group, first.split) == (tmp_path / "good/a.png", "07", "val")
    assert masks(first) == [("0010", f"{tmp_path}/m/a.png")]
    assert (second.annotations, second.group, second.split) == ([], None, None)
    assert second.where == f"{tmp_path}/metadata.csv row 3"
    assert [path.name for path in listing.tree.unclaimed()] == ["ignored.png", "ignored.png"]


def test_group_and_split_may_be_left_out(tmp_path: Path) -> None:
    write_csv(tmp_path, [{"image_path": "a.png", "mask_path": "", "label": "good"}])
    _touch(tmp_path, "a.png")
    (record,) = Folders().read(tmp_path).records
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


def test_a_picture_without_one_mask_of_its_own_is_left_out(tmp_path: Path) -> None:
    _touch(
        tmp_path, "good/a.png", *(f"crack/{name}" for name in ("1.png", "2.png", "2.jpg", "3.png", "4.png", "x.png"))
    )
    _touch(tmp_path, *(f"ground_truth/crack/{name}" for name in ("1.png", "1_mask.png", "2.png", "4.png", "4.bmp")))
    _touch(tmp_path, "ground_truth/crack/x.png", "empty/notes.md")
    listing = Folders().read(tmp_path)
    assert [record.image.name for record in listing.records] == ["x.png", "a.png"]
    assert faults(listing) == {
        "crack/1.png": "two masks, 1.png and 1_mask.png; keep one of them",
        "crack/2.jpg": "2 pictures of its class are called 2; rename one, and its mask",
        "crack/2.png": "2 pictures of its class are called 2; rename one, and its mask",
        "crack/3.png": f"no mask {tmp_path}/ground_truth/crack/3.png; draw one or move the picture to good/",
        "crack/4.png": "two masks, 4.bmp and 4.png; keep one of them",
        "empty": "a class folder without pictures; fill it or remove it",
    }
    assert [path.name for path in listing.tree.unclaimed()] == ["notes.md"]


def test_folders_that_differ_by_case_are_named(tmp_path: Path) -> None:
    _touch(tmp_path, "good/a.png", "Good/b.png", "crack/1.png", "crack/2.png", "CRACK/3.png")
    _touch(tmp_path, *(f"ground_truth/{name}.png" for name in ("crack/1", "crack/2", "CRACK/3")))
    listing = Folders().read(tmp_path)
    assert [record.image.name for record in listing.records] == ["1.png", "2.png", "a.png"]
    assert faults(listing) == {
        "CRACK/3.png": "label 'CRACK' differs from 'crack' only by case; write it crack",
        "Good/b.png": "label 'Good' differs from 'good' only by case; write it good",
    }


@pytest.mark.parametrize(("picture", "mask"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_unicode_may_be_written_one_way_in_the_picture_and_another_in_the_mask(
    tmp_path: Path, picture: str, mask: str
) -> None:
    _touch(tmp_path, "good/a.png", f"öl/{normalize(picture, 'Prüfling é')}.png")
    _touch(tmp_path, f"ground_truth/öl/{normalize(mask, 'Prüfling é')}_mask.png")
    defective = Folders().read(tmp_path).records[1]
    assert [label for label, _ in masks(defective)] == ["öl"]


HEADER = "image_path,mask_path,label,group"


def _text(tmp_path: Path, text: str, encoding: str = "utf-8") -> Listing:
    _touch(tmp_path, "a.png", "b.png", "m.png", "größe, 1.png")
    (tmp_path / "metadata.csv").write_text(text, encoding)
    return Folders().read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\na.png,,good,7\n",
        f"\ufeff{HEADER}\r\na.png,,good,7\r\n",
        f"{HEADER}\n\na.png,,good,7,,,\n",
        " image_path , mask_path,label , group\na.png,,good,7",
        f'{HEADER}\n"a.png",,"good","7"\n',
    ],
    ids=["plain", "as Excel saves it", "empty lines and commas", "blanks in the header", "quotes"],
)
def test_tables_of_other_tools_are_read(tmp_path: Path, text: str) -> None:
    listing = _text(tmp_path, text)
    assert [(record.image.name, record.group) for record in listing.records] == [("a.png", "7")]
    assert listing.problems.all() == []


def test_a_bad_row_leaves_the_others(tmp_path: Path) -> None:
    text = f'{HEADER}\na.png,,good,1\nb.png,good\nb.png,,good,1,2\n"größe, 1.png",,good,2\n'
    listing = _text(tmp_path, text)
    assert [record.image.name for record in listing.records] == ["a.png", "größe, 1.png"]
    assert faults(listing) == {
        "metadata.csv row 3": "2 fields, the header has 4; mend its commas and quotes",
        "metadata.csv row 4": "5 fields, the header has 4; mend its commas and quotes",
    }


def test_a_picture_in_two_rows_is_left_out_altogether(tmp_path: Path) -> None:
    listing = _text(tmp_path, f"{HEADER}\na.png,,good,\nb.png,,good,\n./a.png,m.png,crack,\n")
    assert [record.image.name for record in listing.records] == ["b.png"]
    row = f"{tmp_path}/metadata.csv row 2"
    assert faults(listing) == {"metadata.csv row 4": f"./a.png is in {row} already; keep one of them"}
    assert list(listing.problems.lost()) == [f"{tmp_path}/a.png"]


def test_a_clean_picture_with_a_mask_is_a_warning(tmp_path: Path) -> None:
    listing = _text(tmp_path, f"{HEADER}\na.png,m.png,good,\n")
    assert not listing.records[0].annotations and not listing.problems.errors()
    assert faults(listing) == {
        "metadata.csv row 2": "a mask, though it is good; remove the mask_path or name the defect"
    }


@pytest.mark.parametrize(
    ("text", "encoding", "words"),
    [
        ("", "utf-8", "no column image_path, mask_path, label"),
        ("image_path;mask_path;label\na.png;;good", "utf-8", "no column .* with commas between"),
        (f"{HEADER},label\na.png,,good,1,good", "utf-8", "several columns label; keep one of each"),
        (f'{HEADER}\n"a.png,,good,1\nb.png,,good,1\n', "utf-8", r"cannot be read \(unexpected end of data\)"),
        (f"{HEADER}\nä.png,,good,1", "latin-1", "cannot be read .* in UTF-8"),
        (HEADER, "utf-16", "cannot be read .* in UTF-8"),
    ],
)
def test_a_table_that_is_broken_as_a_whole_is_one_line(tmp_path: Path, text: str, encoding: str, words: str) -> None:
    with pytest.raises(UserError, match=rf"metadata\.csv: {words}") as error:
        _text(tmp_path, text, encoding)
    one_line(error.value)


def test_a_table_that_is_a_link_out_of_the_folder_is_not_passed_over(tmp_path: Path) -> None:
    _touch(tmp_path / "source", "good/a.png")
    (tmp_path / "metadata.csv").write_text("image_path,mask_path,label\ngood/a.png,,good\n")
    (tmp_path / "source/metadata.csv").symlink_to(tmp_path / "metadata.csv")
    with pytest.raises(UserError, match=r"metadata\.csv: a link that leaves the folder; copy here"):
        Folders().read(tmp_path / "source")
