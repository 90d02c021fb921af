"""MVTec AD: what is written reads back with the same masks, and is found to be of this layout."""

import re
from pathlib import Path

import numpy as np
import pytest
from small import disc, picture, real_manifest, synthetic_manifest, write_classes

from defectgen.formats import READERS, WRITERS
from defectgen.formats.mvtec import MVTec
from defectgen.imaging.files import write_image, write_mask
from defectgen.imaging.read import read_image
from defectgen.manifest import Manifest
from defectgen.problems import Problems


@pytest.fixture
def synthetic(tmp_path: Path) -> Manifest:
    return synthetic_manifest(tmp_path / "synthetic")


@pytest.fixture
def out(synthetic: Manifest, tmp_path: Path) -> Path:
    MVTec().write(synthetic, real_manifest(tmp_path / "real"), tmp_path / "out")
    return tmp_path / "out"


def test_what_is_written_reads_back(out: Path, synthetic: Manifest) -> None:
    reader = next(reader for reader in READERS.values() if reader.recognises(out))
    records = {record.image.stem: record for record in reader.read(out).records}
    assert set(records) == {"drawn-a", "drawn-b", "clean-a", "clean-b"}
    for _, row in synthetic.images.iterrows():
        if row["image_id"] not in records:
            continue
        record = records[row["image_id"]]
        assert np.array_equal(read_image(record.image), synthetic.read(row))
        accepted = synthetic.accepted()
        defects = accepted[accepted["image_id"] == row["image_id"]]
        (read,) = record.annotations
        wanted = np.logical_or.reduce([synthetic.read_mask(defect) for _, defect in defects.iterrows()])
        assert np.array_equal(read.mask.read(Problems()), wanted)
        assert read.label == defects["label"].iloc[0]
    assert all(not records[name].annotations for name in ("clean-a", "clean-b"))


def test_every_file_is_where_the_layout_has_it(out: Path) -> None:
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "train/good/clean-a.png",
        "train/good/clean-b.png",
        "train/crack/drawn-a.png",
        "train/dent/drawn-b.png",
        "ground_truth/crack/drawn-a_mask.png",
        "ground_truth/dent/drawn-b_mask.png",
    }


def test_nothing_of_the_test_split_is_written(out: Path, tmp_path: Path) -> None:
    unseen = read_image(tmp_path / "real/images/unseen.png")
    assert not any(np.array_equal(read_image(path), unseen) for path in (out / "train").rglob("*.png"))


def test_the_original_layout_is_read(tmp_path: Path) -> None:
    write_classes(tmp_path / "test", {"good": 2, "crack": 3})
    (tmp_path / "test/ground_truth").rename(tmp_path / "ground_truth")
    for path in sorted((tmp_path / "ground_truth/crack").iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    write_image(tmp_path / "train/good/000.png", picture(77))
    (tmp_path / "license.txt").write_text("text beside the folders is no class")
    (tmp_path / "test/readme.txt").write_text("nor is it here")
    assert MVTec().recognises(tmp_path)
    records = MVTec().read(tmp_path).records
    names = [record.image.relative_to(tmp_path).as_posix() for record in records]
    assert sorted(names) == [f"test/crack/{n:03}.png" for n in range(3)] + [
        "test/good/000.png",
        "test/good/001.png",
        "train/good/000.png",
    ]
    assert names == [record.image.relative_to(tmp_path).as_posix() for record in MVTec().read(tmp_path).records]
    for record in records:
        assert [note.label for note in record.annotations] == (["crack"] if "crack" in str(record.image) else [])
        assert record.split is None and record.group is None
    crack = next(record for record in records if record.image.parts[-2:] == ("crack", "002.png"))
    assert np.array_equal(crack.annotations[0].mask.read(Problems()), disc(22, 20, 6))


def test_a_picture_without_its_mask_is_named(tmp_path: Path) -> None:
    write_image(tmp_path / "train/good/000.png", picture(0))
    write_image(tmp_path / "test/crack/000.png", picture(1))
    listing = MVTec().read(tmp_path)
    assert [record.image.parent.name for record in listing.records] == ["good"]
    (problem,) = listing.problems.errors()
    assert re.search(r"test/crack/000\.png: no mask .*ground_truth/crack/000\.png", str(problem))


def test_pictures_of_one_name_in_train_and_test_cannot_share_a_mask(tmp_path: Path) -> None:
    for part in ("train/good", "train/crack", "test/crack"):
        write_image(tmp_path / part / "000.png", picture(len(part)))
    write_image(tmp_path / "test/crack/001.png", picture(3))
    for name in ("000", "001"):
        write_mask(tmp_path / f"ground_truth/crack/{name}_mask.png", disc(20, 20, 5))
    listing = MVTec().read(tmp_path)
    assert [record.image.parts[-3:] for record in listing.records] == [
        ("test", "crack", "001.png"),
        ("train", "good", "000.png"),
    ]
    assert len(listing.problems.errors()) == 2


def test_class_folders_alone_are_not_of_this_layout(tmp_path: Path) -> None:
    write_classes(tmp_path, {"good": 1, "crack": 1})
    assert not MVTec().recognises(tmp_path)
    assert READERS["folders"].recognises(tmp_path)
    assert set(WRITERS) == {"mvtec", "coco"}
