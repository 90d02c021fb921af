"""ingest: every layout and kind of picture comes in as it is, every fault is named before anything half is left."""

import json
from pathlib import Path
from unicodedata import normalize

import cv2
import numpy as np
import pandas as pd
import pytest
from small import csv_rows, disc, picture, write_classes, write_csv

from defectgen.checks.picture import split_defects
from defectgen.formats.coco import annotation
from defectgen.imaging.files import write_image, write_mask
from defectgen.imaging.read import read_mask
from defectgen.imaging.region import Foreground, Legal, RegionImages, Whole, grow
from defectgen.manifest import Manifest
from defectgen.stages.ingest import ingest

COUNTS = {"good": 8, "crack": 4, "dent": 4}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_classes(tmp_path / "source", COUNTS)
    return tmp_path / "source"


def _ingest(source: Path, out: Path, name: str = "tile", seed: int = 0, legal: Legal | None = None) -> Manifest:
    """Ingest and load; every picture and mask is verified on the way."""
    digest = ingest(out, name, seed, source=source, legal=legal or Whole())
    manifest = Manifest.load(out)
    assert manifest.digest() == digest
    for _, row in manifest.images.iterrows():
        manifest.read(row)
    return manifest


def _by_source(manifest: Manifest, source: Path) -> pd.DataFrame:
    """The images table by path relative to the source folder."""
    images = manifest.images
    paths = [Path(path).relative_to(source).as_posix() for path in images["source_path"]]
    return images.set_index(pd.Index(paths))


def test_class_folders(source: Path, tmp_path: Path) -> None:
    manifest = _ingest(source, tmp_path / "out")
    images = _by_source(manifest, source)
    assert len(images) == 16 and manifest.labels() == ["crack", "dent"]
    assert np.array_equal(manifest.read(images.loc["good/003.png"]), picture(3))
    assert not images["synthetic"].any() and (images["legal_path"] == "").all()
    assert images["group"].is_unique  # nothing says which pictures show the same part
    defects = manifest.instances.set_index("image_id", drop=False)
    for number in range(4):
        row = defects.loc[images.loc[f"dent/{number:03}.png", "image_id"]]
        assert row["label"] == "dent"
        assert np.array_equal(manifest.read_mask(row), disc(20 + number, 20, 6))
    assert not set(images.loc[[path for path in images.index if "good" in path], "image_id"]) & set(defects.index)


def test_names_that_end_in_mask_are_paired_too(tmp_path: Path) -> None:
    write_classes(tmp_path / "source", {"good": 2, "crack": 2})
    for path in sorted((tmp_path / "source/ground_truth/crack").iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    assert len(_ingest(tmp_path / "source", tmp_path / "out").instances) == 2


def test_mvtec_is_split_anew(tmp_path: Path) -> None:
    source = tmp_path / "screw"
    write_classes(source / "test", {"good": 3, "crack": 5})
    (source / "test/ground_truth").rename(source / "ground_truth")
    for path in sorted((source / "ground_truth/crack").iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    for number in range(7):
        write_image(source / f"train/good/{number:03}.png", picture(500 + number))
    manifest = _ingest(source, tmp_path / "out")
    images = _by_source(manifest, source)
    assert len(images) == 15 and manifest.labels() == ["crack"]
    assert images["image_id"].is_unique  # though train/good, test/good and test/crack share their names
    defective = images[images["image_id"].isin(manifest.instances["image_id"])]
    assert set(defective["split"]) == {"train", "val", "test", "reserve"}


def test_coco_with_groups(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shown = {
        "a.png": [],
        "b.png": [("pit", disc(20, 20, 6))],
        "c.png": [("pit", disc(12, 12, 5)), ("no", disc(45, 30, 8))],
    }
    images, annotations = [], []
    for number, (name, defects) in enumerate(shown.items(), 1):
        write_image(source / "images" / name, picture(number, channels=3))
        images.append({"id": number, "file_name": name, "width": 64, "height": 48})
        for label, mask in defects:
            category = {"pit": 1, "no": 2}[label]
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": category, **annotation(mask)}
            )
    categories = [{"id": 1, "name": "pit"}, {"id": 2, "name": "no"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (source / "annotations.json").write_text(json.dumps(content))
    (source / "groups.csv").write_text("file_name,group\na.png,07\nb.png,07\n")
    manifest = _ingest(source, tmp_path / "out")
    rows = _by_source(manifest, source)
    assert list(rows.loc[["images/a.png", "images/b.png"], "group"]) == ["07", "07"]
    assert rows["group"].nunique() == 2 and set(rows["channels"]) == {3}
    names = rows.reset_index().set_index("image_id")["index"]
    found = [
        (names[row["image_id"]][7:], row["label"], manifest.read_mask(row)) for _, row in manifest.instances.iterrows()
    ]
    for name, defects in shown.items():
        mine = {label: mask for other, label, mask in found if other == name}
        assert set(mine) == {label for label, _ in defects}
        assert all(np.array_equal(mine[label], mask) for label, mask in defects)


def test_ids_do_not_depend_on_how_a_disk_writes_unicode(tmp_path: Path) -> None:
    digests = set()
    for form in ("NFC", "NFD"):
        for folder in ("good", "öl", "ground_truth/öl"):
            write_image(
                tmp_path / form / normalize(form, folder) / normalize(form, "prüfling ß.png"), picture(len(folder))
            )
        write_mask(tmp_path / form / normalize(form, "ground_truth/öl/prüfling ß.png"), disc(20, 20, 5))
        digests.add(_ingest(tmp_path / form, tmp_path / f"out-{form}").digest())
    assert len(digests) == 1


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (1, 16), (3, 16)])
def test_pixels_are_kept_as_they_are(tmp_path: Path, channels: int, depth: int) -> None:
    pixels = picture(7, (20, 30), channels, depth)
    write_image(tmp_path / "source/good/a.png", pixels)
    manifest = _ingest(tmp_path / "source", tmp_path / "out")
    row = manifest.images.iloc[0]
    assert (row["height"], row["width"], row["channels"], row["depth"]) == (20, 30, channels, depth)
    again = manifest.read(row)
    assert again.dtype == pixels.dtype and np.array_equal(again, pixels)


def test_a_table_keeps_its_words(tmp_path: Path) -> None:
    """Class names and groups are text: no 12, no False, no NaN, no 1000."""
    source = tmp_path / "source"
    write_csv(source, csv_rows(source))
    manifest = _ingest(source, tmp_path / "out")
    assert manifest.labels() == ["012", "no"]
    assert set(manifest.images["group"]) == {"1e3", "000", "001", "002", "003"}
    assert manifest.images.groupby("group")["split"].nunique().max() == 1
    assert len(manifest.instances) == 8


def test_an_empty_group_is_a_group_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_csv(source, [row | {"group": ""} for row in csv_rows(source)])
    assert _ingest(source, tmp_path / "out").images["group"].is_unique


def test_a_comma_too_many_at_every_line_does_not_shift_the_columns(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_csv(source, csv_rows(source))
    lines = (source / "metadata.csv").read_text().splitlines()
    (source / "metadata.csv").write_text("\n".join([lines[0], *(f"{line}," for line in lines[1:])]))
    assert _ingest(source, tmp_path / "out").labels() == ["012", "no"]


def test_the_same_again_is_the_same(source: Path, tmp_path: Path) -> None:
    first, again = _ingest(source, tmp_path / "a"), _ingest(source, tmp_path / "a")
    assert first.digest() == again.digest()
    moved = source.rename(tmp_path / "moved")
    elsewhere = _ingest(moved, tmp_path / "b")
    assert elsewhere.digest() == first.digest()
    for column in ("image_id", "split", "group", "legal_path"):
        assert elsewhere.images[column].equals(first.images[column])
    other = _ingest(moved, tmp_path / "c", name="plate")
    assert not set(other.images["image_id"]) & set(first.images["image_id"])
    assert (other.images["image_sha256"] == first.images["image_sha256"]).all()


def test_the_seed_decides_the_splits(source: Path, tmp_path: Path) -> None:
    splits = [tuple(_ingest(source, tmp_path / str(seed), seed=seed).images["split"]) for seed in range(4)]
    assert len(set(splits)) > 1


def test_legal_regions_are_kept_and_count(tmp_path: Path) -> None:
    source, part = tmp_path / "source", grow(disc(30, 24, 3), 9)
    for number in range(4):
        pixels = np.where(part, 200, 50).astype(np.uint8)
        pixels[0, 0] = number
        write_image(source / f"good/{number}.png", pixels)
    whole = _ingest(source, tmp_path / "whole")
    near, far = (_ingest(source, tmp_path / f"part{m}", legal=Foreground(margin=m)) for m in (0.0, 0.1))
    for _, row in near.images.iterrows():
        region = read_mask(near.folder / row["legal_path"])
        assert region[part].all() and region.mean() < 1.5 * part.mean()
    # What later stages do follows from the regions: other regions are other data.
    assert len({whole.digest(), near.digest(), far.digest()}) == 3
    again = _ingest(source, tmp_path / "again", legal=Foreground(margin=0.0))
    assert again.digest() == near.digest()


def test_painted_regions_count_too(source: Path, tmp_path: Path) -> None:
    write_mask(tmp_path / "regions/000.png", disc(20, 20, 15))
    first = _ingest(source, tmp_path / "a", legal=RegionImages(tmp_path / "regions"))
    assert (_by_source(first, source)["legal_path"] != "").sum() == 3  # 000 of each class
    write_mask(tmp_path / "regions/000.png", disc(20, 20, 16))
    assert _ingest(source, tmp_path / "b", legal=RegionImages(tmp_path / "regions")).digest() != first.digest()


def _pieces(gap: int) -> np.ndarray:
    """Two bars of a picture of diagonal 500, so many pixels apart."""
    mask = np.zeros((300, 400), bool)
    mask[100:110, 100:120] = mask[100:110, 119 + gap : 139 + gap] = True
    return mask


@pytest.mark.parametrize(("gap", "defects"), [(2, 1), (6, 1), (9, 1), (13, 2), (40, 2), (200, 2)])
def test_fragments_are_one_defect_and_distant_ones_two(gap: int, defects: int) -> None:
    mask = _pieces(gap)
    parts = split_defects(mask)
    assert len(parts) == defects
    assert np.array_equal(np.sum(parts, axis=0), mask)  # every pixel in exactly one
    assert all(part.any() for part in parts)


def test_a_chain_of_fragments_is_one_defect() -> None:
    mask = np.zeros((300, 400), bool)
    for x in range(50, 350, 8):
        mask = mask | disc(x, 100 + x // 4, 1, mask.shape)
    assert cv2.connectedComponents(mask.astype(np.uint8))[0] > 20
    assert len(split_defects(mask)) == 1


def test_distant_fragments_become_instances(tmp_path: Path) -> None:
    write_image(tmp_path / "source/good/0.png", picture(1, (300, 400)))
    write_image(tmp_path / "source/crack/0.png", picture(0, (300, 400)))
    write_mask(tmp_path / "source/ground_truth/crack/0.png", _pieces(200))
    manifest = _ingest(tmp_path / "source", tmp_path / "out")
    boxes = sorted(zip(*(manifest.instances[column] for column in "xywh"), strict=True))
    assert boxes == [(100, 100, 20, 10), (319, 100, 20, 10)]
    assert manifest.instances["image_id"].nunique() == 1


def test_few_shots_leave_a_manifest_that_holds_together(source: Path, tmp_path: Path) -> None:
    write_classes(source, {"good": 8, "crack": 8, "dent": 8})
    ingest(tmp_path / "all", "tile", 0, source=source)
    ingest(tmp_path / "few", "tile", 0, source=source, shots=2)
    few, everything = Manifest.load(tmp_path / "few"), Manifest.load(tmp_path / "all")
    images = few.images.set_index("image_id")
    counts = few.instances.groupby([few.instances["image_id"].map(images["split"]), "label"]).size()
    assert counts["train"].to_dict() == {"crack": 2, "dent": 2}
    test = [manifest.images.query("split == 'test'")["image_id"].tolist() for manifest in (few, everything)]
    assert test[0] == test[1], "judged on the same pictures"
    written = {f"masks/{path.name}" for path in (tmp_path / "few/masks").iterdir()}
    assert written == set(few.instances["mask_path"])


def test_products_of_other_names_share_their_splits_and_shots(source: Path, tmp_path: Path) -> None:
    """Else a study of few shots would be judged on pictures that the full one was trained on."""
    write_classes(source, {"good": 20, "crack": 12, "dent": 12})
    shown: dict[tuple[str, int], dict[str, set[str]]] = {}
    for name, shots in (("tile", 99), ("tile_4", 4), ("tile_2", 2)):
        ingest(tmp_path / name, name, 0, source=source, shots=shots)
        manifest = Manifest.load(tmp_path / name)
        defective = manifest.images[manifest.images["image_id"].isin(manifest.instances["image_id"])]
        shown[name, shots] = {str(split): set(rows["source_path"]) for split, rows in defective.groupby("split")}
    full, four, two = shown.values()
    assert full["test"] == four["test"] == two["test"]
    assert two["train"] < four["train"] < full["train"]
