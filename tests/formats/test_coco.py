"""COCO: what pycocotools reads back is what the manifest holds."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from small import disc, real_manifest, synthetic_manifest

from defectgen.formats.coco import Coco, annotation, split_components
from defectgen.imaging.read import read_image
from defectgen.manifest import Manifest


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return synthetic_manifest(tmp_path_factory.mktemp("synthetic"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return real_manifest(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def out(synthetic: Manifest, clean: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coco")
    Coco().write(synthetic, clean, out)
    return out


@pytest.fixture(scope="module")
def coco(out: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(out / "annotations.json"))


def test_accepted_pictures_and_clean_training_pictures_are_there(coco: COCO, out: Path) -> None:
    names = {Path(image["file_name"]).stem for image in coco.dataset["images"]}
    # drawn-c shows a defect that was not accepted: without its label it would teach that defects are fine.
    assert names == {"drawn-a", "drawn-b", "clean-a", "clean-b"}
    assert {path.stem for path in (out / "images").iterdir()} == names
    assert sorted(coco.getImgIds()) == list(range(1, 5))


def test_pictures_are_copied_bit_for_bit(coco: COCO, out: Path, synthetic: Manifest, clean: Manifest) -> None:
    originals = {row["image_id"]: (each, row) for each in (synthetic, clean) for _, row in each.images.iterrows()}
    for image in coco.dataset["images"]:
        manifest, row = originals[Path(image["file_name"]).stem]
        written = read_image(out / "images" / image["file_name"])
        assert np.array_equal(written, manifest.read(row))
        assert (image["height"], image["width"]) == written.shape


def test_masks_decode_to_the_same_pixels(coco: COCO, synthetic: Manifest) -> None:
    rows = synthetic.instances.set_index("instance_id", drop=False)
    for instance_id, image_id, label, pieces in (
        ("pieces", "drawn-a", "crack", 2),
        ("dent", "drawn-b", "dent", 1),
        ("crack", "drawn-b", "crack", 1),
    ):
        found = [entry for entry in coco.dataset["annotations"] if entry["instance_id"] == instance_id]
        assert len(found) == pieces  # one for each component
        decoded = np.sum([coco.annToMask(entry) for entry in found], axis=0)
        assert np.array_equal(decoded, synthetic.read_mask(rows.loc[instance_id]))
        assert {coco.imgs[entry["image_id"]]["file_name"] for entry in found} == {f"{image_id}.png"}
        assert {coco.cats[entry["category_id"]]["name"] for entry in found} == {label}


def test_only_accepted_defects_are_annotated(coco: COCO) -> None:
    assert len(coco.dataset["annotations"]) == 4
    assert len({entry["id"] for entry in coco.dataset["annotations"]}) == 4
    assert all(entry["iscrowd"] == 0 and entry["id"] > 0 for entry in coco.dataset["annotations"])
    assert coco.dataset["categories"] == [{"id": 1, "name": "crack"}, {"id": 2, "name": "dent"}]


def test_clean_pictures_are_negatives(coco: COCO) -> None:
    empty = {image["file_name"] for image in coco.dataset["images"] if not coco.getAnnIds(imgIds=image["id"])}
    assert empty == {"clean-a.png", "clean-b.png"}


def test_boxes_and_areas_are_in_pixels() -> None:
    mask = np.zeros((40, 50), bool)
    mask[10:14, 20:31] = True
    entry = json.loads(json.dumps(annotation(mask)))
    assert entry["bbox"] == [20, 10, 11, 4] and entry["area"] == 44
    assert entry["segmentation"]["size"] == [40, 50]


def test_a_set_without_accepted_defects_is_only_negatives(clean: Manifest, synthetic: Manifest, tmp_path: Path) -> None:
    refused = Manifest(synthetic.folder, synthetic.images, synthetic.instances.assign(status="rejected"))
    Coco().write(refused, clean, tmp_path)
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert content["annotations"] == [] and len(content["images"]) == 2


def test_components_touch_by_corners() -> None:
    steps = np.eye(6, dtype=bool)
    assert len(split_components(steps)) == 1
    ring = disc(20, 20, 10) & ~disc(20, 20, 6)
    parts = split_components(ring | disc(20, 20, 3) | disc(50, 30, 4))
    assert len(parts) == 3
    assert np.array_equal(np.sum(parts, axis=0), ring | disc(20, 20, 3) | disc(50, 30, 4))
    assert split_components(np.zeros((4, 4), bool)) == []
