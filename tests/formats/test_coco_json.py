"""COCO in: what is annotated comes back as drawn, what is broken is named by its id and leaves its picture out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import SHAPE, disc, one_line, picture, real_manifest, synthetic_manifest

from defectgen.errors import UserError
from defectgen.formats import READERS
from defectgen.formats.coco import Coco, annotation
from defectgen.formats.records import Listing
from defectgen.imaging.files import write_image
from defectgen.manifest import GOOD
from defectgen.problems import Problems

Content = dict[str, Any]
BOX = [[10, 10, 30, 10, 30, 30, 10, 30]]


def content(count: int = 5) -> Content:
    """Pictures 1 to 5: a clean one, two with a pit, one with a pit and a scratch, a clean one."""
    images = [{"id": n, "file_name": f"{n}.png", "width": SHAPE[1], "height": SHAPE[0]} for n in range(1, count + 1)]
    runs = annotation(disc(40, 20, 6))["segmentation"]
    drawn = [(2, 1, BOX), (3, 1, runs), (4, 1, BOX), (4, 7, runs)]
    annotations = [
        {"id": 10 + n, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0}
        for n, (image, category, segmentation) in enumerate(drawn)
    ]
    categories = [{"id": 1, "name": "pit"}, {"id": 7, "name": "012"}, {"id": 9, "name": "never seen"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def put(root: Path, data: object, folder: str = "images") -> Path:
    """Write the JSON and five pictures."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1, 6):
        write_image(root / folder / f"{number}.png", picture(number))
    (root / "annotations.json").write_text(json.dumps(data))
    return root


def found(listing: Listing) -> dict[str, list[str]]:
    """Picture -> its labels, one for each annotation."""
    return {r.image.name: [note.label for note in r.annotations] for r in listing.records}


WHOLE = {"1.png": [], "2.png": ["pit"], "3.png": ["pit"], "4.png": ["pit", "012"], "5.png": []}


@pytest.mark.parametrize("folder", ["images", "."])
def test_pictures_lie_in_images_or_beside_the_json(tmp_path: Path, folder: str) -> None:
    listing = Coco().read(put(tmp_path, content(), folder))
    assert found(listing) == WHOLE and listing.problems.all() == []
    assert listing.tree.unclaimed() == []
    fourth = listing.records[3]
    assert fourth.stated == SHAPE and (fourth.group, fourth.split) == (None, None)
    box, runs = (note.mask.read(Problems()) for note in fourth.annotations)
    assert box[10:30, 10:30].all() and box.sum() == 400
    assert np.array_equal(runs, disc(40, 20, 6))


def test_what_we_write_reads_back(tmp_path: Path) -> None:
    synthetic = synthetic_manifest(tmp_path / "synthetic")
    Coco().write(synthetic, real_manifest(tmp_path / "real"), tmp_path / "out")
    assert [name for name, reader in READERS.items() if reader.recognises(tmp_path / "out")] == ["coco"]
    listing = Coco().read(tmp_path / "out")
    assert listing.problems.all() == []
    masks: dict[tuple[str, str], Any] = {}
    for record in listing.records:
        for note in record.annotations:
            key = (record.image.stem, note.label)
            masks[key] = masks.get(key, False) | note.mask.read(Problems())
    accepted = synthetic.accepted()
    assert set(masks) == set(zip(accepted["image_id"], accepted["label"], strict=True))
    for _, row in accepted.iterrows():
        assert np.array_equal(masks[(row["image_id"], row["label"])], synthetic.read_mask(row))
    assert {r.image.stem for r in listing.records if not r.annotations} == {"clean-a", "clean-b"}


def test_groups_come_from_their_table(tmp_path: Path) -> None:
    put(tmp_path, content())
    rows = ["file_name,group", "1.png,007", "2.png,007", "3.png,", "77.png,x", "5.png,a", "5.png,b"]
    (tmp_path / "groups.csv").write_text("\n".join(rows))
    listing = Coco().read(tmp_path)
    groups = {record.image.name: record.group for record in listing.records}
    assert groups == {"1.png": "007", "2.png": "007", "3.png": None, "4.png": None}
    said = {p.where.removeprefix(f"{tmp_path}/"): (p.severity, p.what) for p in listing.problems.all()}
    assert said == {
        "groups.csv row 5": ("warning", "77.png: no such file"),
        "groups.csv row 7": ("error", "5.png is in group a already"),
    }


def test_a_crowd_is_one_mask_and_a_warning(tmp_path: Path) -> None:
    data = content()
    data["annotations"][0]["iscrowd"] = 1
    listing = Coco().read(put(tmp_path, data))
    assert found(listing) == WHOLE
    (problem,) = listing.problems.all()
    assert (problem.severity, "annotation 10: a crowd" in str(problem)) == ("warning", True)


Change = Callable[[Content], object]


def entry(kind: str, number: int, **values: object) -> Change:
    return lambda data: data[kind][number].update(values)


def category(name: object) -> Change:
    """Rename what picture 4 alone shows."""
    return entry("categories", 1, name=name)


FAULTS: dict[str, tuple[Change, str, list[str]]] = {  # change, what the line begins with, pictures left out
    "no such picture": (entry("annotations", 0, image_id=99), "annotation 10: picture 99 is not among", []),
    "no picture named": (entry("annotations", 0, image_id=None), "annotation 10: picture None is not among", []),
    "a list for an id": (entry("annotations", 0, image_id=[2]), "annotation 10: picture [2] is not among", []),
    "unknown category": (entry("annotations", 0, category_id=5), "annotation 10: category 5 is not among", ["2.png"]),
    "a word for a number": (entry("annotations", 0, category_id="1"), "annotation 10: category '1' is not", ["2.png"]),
    "double annotation": (
        entry("annotations", 1, id=10),
        "annotation 10: its id is used more than",
        ["2.png", "3.png"],
    ),
    "annotation without id": (entry("annotations", 0, id=None), "annotation None: no id; number", ["2.png"]),
    "double image": (entry("images", 4, id=1), "image 1: its id is used more than once", ["1.png", "5.png"]),
    "double file": (
        entry("images", 4, file_name="1.png"),
        "image 5: 1.png has an entry already, image 1",
        ["1.png", "5.png"],  # 5.png is named by nothing any more
    ),
    "no file": (entry("images", 1, file_name="77.png"), "image 2: 77.png: no such file", ["2.png"]),
    "no file name": (entry("images", 1, file_name=None), "image 2: no file_name", ["2.png"]),
    "path out": (entry("images", 1, file_name="../../2.png"), "image 2: ../../2.png leaves the folder", ["2.png"]),
    "absolute path": (entry("images", 1, file_name="/2.png"), "image 2: /2.png leaves the folder", ["2.png"]),
    "NUL in a path": (entry("images", 1, file_name="2.png\0"), "image 2: 2.png? holds a NUL", ["2.png"]),
    "no size": (entry("images", 1, width=None), "image 2: width None and height 48 are no size", ["2.png"]),
    "size of a bomb": (entry("images", 1, width=10**9), "image 2: width 1000000000", ["2.png"]),
    "negative size": (entry("images", 1, width=-64, height=-48), "image 2: width -64", ["2.png"]),
    "two points": (entry("annotations", 0, segmentation=[[1, 1, 5, 5]]), "annotation 10: a polygon of 2", ["2.png"]),
    "box only": (entry("annotations", 0, segmentation=[]), "annotation 10: no segmentation", ["2.png"]),
    "polygon out": (entry("annotations", 2, segmentation=[[1, 1, 99, 1, 9, 9]]), "annotation 12: a polygon", ["4.png"]),
    "double category": (
        lambda d: d["categories"].append({"id": 7, "name": "dent"}),
        "annotation 13: category 7",
        ["4.png"],
    ),
    "category of a number": (category(12), "annotation 13: label 12 is no text; put it into quotes", ["4.png"]),
    "category of nothing": (category(""), "annotation 13: label ''", ["4.png"]),
    "category of a path": (category("../a"), "annotation 13: label '../a'", ["4.png"]),
    "category by case": (category("Pit"), "annotation 13: label 'Pit' differs from 'pit' only by case", ["4.png"]),
    "category good": (category(GOOD), "annotation 13: a defect of class good", ["4.png"]),
    "no object": (lambda d: d["annotations"].append("x"), "annotation number 5: no JSON object", []),
    "no image object": (lambda d: d["images"].append(None), "image number 6: no JSON object", []),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_its_id_and_leaves_its_picture_out(tmp_path: Path, fault: str) -> None:
    change, words, out = FAULTS[fault]
    data = content()
    change(data)
    listing = Coco().read(put(tmp_path, data))
    assert set(found(listing)) == set(WHOLE) - set(out)
    lines = [str(problem).removeprefix(f"{tmp_path}/annotations.json ") for problem in listing.problems.errors()]
    assert lines and all(line.startswith(words) and "; " in line for line in lines), lines
    assert len(lines) == (2 if fault in ("double annotation", "double image") else 1)


def test_a_picture_with_a_broken_annotation_is_never_clean(tmp_path: Path) -> None:
    """All its annotations gone, it would teach that pits are fine."""
    data = content()
    for number in range(4):
        data["annotations"][number]["segmentation"] = None
    listing = Coco().read(put(tmp_path, data))
    assert set(found(listing)) == {"1.png", "5.png"} and len(listing.problems.errors()) == 4


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no JSON"),
    "cut off": (json.dumps(content()).encode()[:-9], "no JSON"),
    "other encoding": ('{"images": "ä"}'.encode("latin-1"), "no JSON"),
    "too deep": (b"[" * 100_000, "no JSON"),
    "a list": (b"[]", "no list of images, annotations, categories; export the annotations as COCO instances"),
    "predictions": (b'{"images": [], "annotations": {}}', "no list of annotations, categories"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_file_that_is_no_coco_is_one_line(tmp_path: Path, fault: str) -> None:
    raw, words = WRONG[fault]
    (tmp_path / "annotations.json").write_bytes(raw)
    with pytest.raises(UserError, match=rf"annotations\.json: {words}") as error:
        Coco().read(tmp_path)
    one_line(error.value)


@pytest.mark.parametrize("name", ["annotations.json", "groups.csv"])
def test_tables_that_are_links_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    root = put(tmp_path / "source", content())
    (root / "groups.csv").write_text("file_name,group\n1.png,a\n")
    (root / name).rename(tmp_path / name)
    (root / name).symlink_to(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: a link that leaves the folder; copy here"):
        READERS["coco"].read(root)
