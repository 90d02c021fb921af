"""Names in tables: every file below the folder is found however its name is written, nothing outside ever is."""

import inspect
import os
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
from small import one_line

from defectgen.errors import BadInput
from defectgen.formats.tree import Tree


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_are_found_by_their_name(tmp_path: Path) -> None:
    touch(tmp_path, "good/a b.png", "good/deep/er/ß.png", "metadata.csv", ".hidden", "good/._a b.png")
    tree = Tree(tmp_path)
    for name in ("good/a b.png", "./good/a b.png", "good//a b.png"):
        assert tree.find("row 2", name) == tmp_path / "good/a b.png"
    assert tree.find("row 3", "good/deep/er/ß.png").is_file()
    assert tree.folders == ["good", "good/deep", "good/deep/er"]
    assert [path.name for path in tree.pictures("good")] == ["a b.png"]
    assert [path.name for path in tree.unclaimed()] == ["metadata.csv"]
    assert tree.refused() == []


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_the_way_unicode_is_written_does_not_matter(tmp_path: Path, on_disk: str, in_table: str) -> None:
    touch(tmp_path, f"{normalize(on_disk, 'prüf')}/{normalize(on_disk, 'Öse.png')}")
    found = Tree(tmp_path).find("row 2", normalize(in_table, "prüf/Öse.png"))
    assert found.is_file()


OUTSIDE = ["../secret.png", "good/../../secret.png", "/etc/secret.png", "C:/secret.png", "C:secret.png", "//host/a.png"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "secret.png", "root/good/a.png")
    with pytest.raises(BadInput, match="leaves the folder; use a path below") as error:
        Tree(tmp_path / "root").find("table row 2", name)
    assert one_line(error.value).startswith(f"table row 2: {name}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("good\\a.png", "written with backslashes; use a path"),
        ("good/a.png\0.txt", "NUL"),
        ("good/b.png", "no such file; correct the path"),
        ("Good/A.PNG", "no such file; the folder has good/a.png: write it so"),
        ("good", "no such file"),
        (".", "no such file"),
        ("x" * 5000, "no such file"),
    ],
)
def test_other_names_say_what_is_wrong(tmp_path: Path, name: str, words: str) -> None:
    touch(tmp_path, "good/a.png")
    with pytest.raises(BadInput, match=words):
        Tree(tmp_path).find("row 2", name)


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    touch(tmp_path, "outside.png", "root/good/a.png", "elsewhere/b.png")
    good = tmp_path / "root/good"
    (good / "inside.png").symlink_to("a.png")
    (good / "outside.png").symlink_to(tmp_path / "outside.png")
    (good / "loop.png").symlink_to("loop.png")
    (good / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/again").symlink_to(good)
    tree = Tree(tmp_path / "root")
    assert tree.find("row", "good/inside.png") == good / "inside.png"
    with pytest.raises(BadInput, match=r"row 2: good/outside\.png: a link that leaves the folder; copy here"):
        tree.find("row 2", "good/outside.png")
    with pytest.raises(BadInput, match="no such file"):
        tree.find("row 2", "good/folder/b.png")
    named = {Path(error.where).name: error.what for error in tree.refused()}
    assert named == {
        "folder": "a link that leaves the folder",
        "again": "a link to a folder, which is not followed",
    }  # the one a row asked for is named with its row


def test_names_nobody_can_write_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "good/a.png", *(f"good/{normalize(form, 'ä')}.png" for form in ("NFC", "NFD")))
    (tmp_path / os.fsdecode(b"good/\xe4.png")).touch()
    tree = Tree(tmp_path)
    assert [path.name for path in tree.pictures("good")] == ["a.png"]
    whats = sorted(error.what for error in tree.refused())
    assert whats == ["another file's name differs only in how its Unicode is written"] * 2 + [
        "its name is not written in UTF-8"
    ]


def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "good/a.png", "closed/b.png")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    (error,) = Tree(tmp_path).refused()
    assert str(error) == f"{tmp_path}/closed: cannot be opened (Permission denied); allow reading it, or move it away"


def test_three_ways_to_write_a_name_are_as_bad_as_two(tmp_path: Path) -> None:
    touch(tmp_path, *(f"good/{name}.png" for name in ("\u1ea5", "\u00e2\u0301", "a\u0302\u0301")))
    tree = Tree(tmp_path)
    assert tree.pictures("good") == [] and len(tree.refused()) == 3


def test_a_folder_may_be_deeper_than_a_program_may_call_itself(tmp_path: Path) -> None:
    (tmp_path / ("a/" * 300)).mkdir(parents=True)
    touch(tmp_path, "good/a.png")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 200)
    try:
        tree = Tree(tmp_path)
    finally:
        sys.setrecursionlimit(before)
    assert len(tree.folders) == 301
    assert tree.find("row 2", "good/a.png") == tmp_path / "good/a.png"


def test_a_folder_of_links_is_told_without_comparing_each_with_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "outside.png", "root/good/a.png")
    names = [f"good/{number}.png" for number in range(20)]
    for name in names:
        (tmp_path / "root" / name).symlink_to(tmp_path / "outside.png")
    tree, spelled = Tree(tmp_path / "root"), []
    monkeypatch.setattr("defectgen.formats.tree.normalize", lambda form, name: spelled.append(name) or name)
    for name in 2 * names:  # and the second row that names a link is told the same
        with pytest.raises(BadInput, match="a link that leaves the folder"):
            tree.find("row 2", name)
    assert len(spelled) == 2 * 2 * len(names)
    assert tree.refused() == []
