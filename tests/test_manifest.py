"""The manifest: what it accepts, what it notices, and what its ids and its digest depend on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small import disc, one_line, picture, real_manifest, synthetic_manifest

from defectgen.errors import UserError
from defectgen.imaging.files import write_image, write_mask
from defectgen.manifest import IMAGES, INSTANCES, Manifest, image_row, make_id, make_seed, mask_row, table


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return real_manifest(tmp_path)


def test_tables_read_back_as_saved(manifest: Manifest) -> None:
    manifest.images["colour_of_the_shift"] = ["red", "blue", "", "red"]  # a stage's own column
    digest = manifest.save()
    again = Manifest.load(manifest.folder)
    pd.testing.assert_frame_equal(again.images, manifest.images)
    pd.testing.assert_frame_equal(again.instances, manifest.instances)
    assert again.digest() == digest
    assert again.labels() == ["crack", "dent"]


def test_a_set_without_defects_is_a_manifest(tmp_path: Path) -> None:
    whole = real_manifest(tmp_path)
    clean = Manifest(tmp_path, whole.images, table([], INSTANCES))
    digest = clean.save()
    again = Manifest.load(tmp_path)
    assert again.digest() == digest != whole.digest()
    assert again.labels() == [] and len(again.accepted()) == 0
    assert list(again.instances.columns) == [name for name, column in INSTANCES.columns.items() if column.required]


def test_no_pictures_at_all(tmp_path: Path) -> None:
    nothing = Manifest(tmp_path, table([], IMAGES), table([], INSTANCES))
    assert nothing.save() == Manifest.load(tmp_path).digest()


@pytest.mark.parametrize(
    ("which", "column", "value", "words"),
    [
        ("images", "image_path", "../other/clean-b.png", "leaves the manifest's folder"),
        ("images", "image_path", "images/../../clean-b.png", "leaves the manifest's folder"),
        ("images", "image_path", "/data/clean-b.png", "leaves the manifest's folder"),
        ("images", "image_path", "images\\clean-b.png", "leaves the manifest's folder"),
        ("images", "image_path", "images/clean-a.png", "images/clean-a.png"),
        ("images", "image_id", "clean-a", "clean-a"),
        ("images", "image_sha256", "abc", "image_sha256"),
        ("images", "split", "training", "training"),
        ("images", "split", None, "split"),
        ("images", "width", 0, "width"),
        ("images", "channels", 4, "channels"),
        ("images", "depth", 32, "depth"),
        ("instances", "instance_id", "real-crack", "real-crack"),
        ("instances", "label", "good", "label"),
        ("instances", "mask_path", "../mask.png", "leaves the manifest's folder"),
        ("instances", "h", 0, "'h'"),
        ("instances", "status", "perhaps", "perhaps"),
        ("instances", "image_id", "nowhere", "real-dent"),
    ],
)
def test_a_broken_table_is_named(manifest: Manifest, which: str, column: str, value: object, words: str) -> None:
    frame: pd.DataFrame = getattr(manifest, which)
    if column == "status":
        frame["status"] = "accepted"
    frame.loc[1, column] = value
    with pytest.raises(UserError, match=f"{which}.parquet") as error:
        manifest.save()
    assert words in one_line(error.value)
    assert not list(manifest.folder.glob("*.parquet"))


def test_a_missing_column_is_named(manifest: Manifest) -> None:
    broken = Manifest(manifest.folder, manifest.images.drop(columns="group"), manifest.instances)
    with pytest.raises(UserError, match="group"):
        broken.validated()


@pytest.mark.parametrize(("split", "allowed"), [("train", True), ("reserve", True), ("val", False), ("test", False)])
def test_synthetic_pictures_never_judge_a_detector(tmp_path: Path, split: str, allowed: bool) -> None:
    synthetic = synthetic_manifest(tmp_path)
    synthetic.images["split"] = split
    if allowed:
        synthetic.validated()
    else:
        with pytest.raises(UserError, match="synthetic pictures can never be in val or test"):
            synthetic.validated()


def test_only_accepted_attempts_count(tmp_path: Path) -> None:
    synthetic = synthetic_manifest(tmp_path)
    assert set(synthetic.accepted()["instance_id"]) == {"pieces", "dent", "crack"}
    assert set(real_manifest(tmp_path).accepted()["instance_id"]) == {"real-crack", "real-dent"}


def test_an_attempt_that_failed_needs_no_picture(tmp_path: Path) -> None:
    synthetic = synthetic_manifest(tmp_path)
    synthetic.instances.loc[synthetic.instances["instance_id"] == "failed", "image_id"] = "never drawn"
    synthetic.validated()
    synthetic.instances.loc[synthetic.instances["instance_id"] == "dent", "image_id"] = "never drawn"
    with pytest.raises(UserError, match="dent belongs to no picture"):
        synthetic.validated()


def test_digest_ignores_order_and_place(tmp_path: Path) -> None:
    first, second = real_manifest(tmp_path / "a"), real_manifest(tmp_path / "b")
    shuffled = Manifest(second.folder, second.images.iloc[::-1], second.instances.iloc[::-1])
    assert shuffled.digest() == first.digest()


Change = Callable[[Manifest], None]


def _set(which: str, row: int, column: str, value: str) -> Change:
    def change(manifest: Manifest) -> None:
        getattr(manifest, which).loc[row, column] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("images", 0, "image_sha256", "0" * 64),
        _set("images", 0, "image_id", "another"),
        _set("images", 0, "split", "val"),
        _set("images", 0, "legal_sha256", "0" * 64),
        _set("instances", 0, "mask_sha256", "0" * 64),
        _set("instances", 0, "label", "scratch"),
        _set("instances", 0, "instance_id", "another"),
        _set("instances", 0, "status", "rejected"),
    ],
)
def test_digest_notices(tmp_path: Path, change: Change) -> None:
    manifest = synthetic_manifest(tmp_path)
    manifest.images["legal_sha256"] = ""
    before = manifest.digest()
    change(manifest)
    assert manifest.digest() != before


def test_digest_of_a_plain_set_stays(manifest: Manifest) -> None:
    """A whole product line skips its stages by this number: it may not change unnoticed."""
    pictures = sorted(f"{row.image_id}|{row.image_sha256}|{row.split}" for row in manifest.images.itertuples())
    defects = sorted(f"{row.instance_id}|{row.mask_sha256}|{row.label}|" for row in manifest.instances.itertuples())
    digest = hashlib.sha256("\n".join(pictures + defects).encode()).hexdigest()
    assert manifest.digest() == digest
    manifest.images["legal_sha256"] = ""  # the whole picture is legal: nothing beside it
    assert manifest.digest() == digest


def test_ids_are_the_same_on_every_machine() -> None:
    assert make_id("screw", "good/000.png") == "eed0cdaa52b46737"
    assert make_id("a", 1, 2.5) != make_id("a", 12, 5)
    assert make_id("ab", "c") != make_id("a", "bc")


def test_seeds_are_the_same_on_every_machine_and_fit_a_generator() -> None:
    assert make_seed(0, "row", 1) == 2930016363177463124
    seeds = [make_seed(0, number) for number in range(500)]
    assert len(set(seeds)) == 500
    assert 0 <= min(seeds) < 2**61 and 2**62 < max(seeds) < 2**63


def test_changed_picture_and_mask_are_noticed(manifest: Manifest) -> None:
    image, defect = manifest.images.iloc[2], manifest.instances.iloc[0]
    assert np.array_equal(manifest.read(image), picture(2))
    assert np.array_equal(manifest.read_mask(defect), disc(12, 12, 5))
    tampered = picture(2)
    tampered[0, 0] ^= 1
    write_image(manifest.folder / image["image_path"], tampered)
    write_mask(manifest.folder / defect["mask_path"], disc(12, 12, 6))
    for read, row, name in ((manifest.read, image, "broken.png"), (manifest.read_mask, defect, "real-crack.png")):
        with pytest.raises(UserError, match=f"{name}.*differs from the manifest"):
            read(row)


def test_missing_and_unreadable_tables_are_named(manifest: Manifest) -> None:
    with pytest.raises(UserError, match=r"images.parquet: no such table; run the stage"):
        Manifest.load(manifest.folder)
    manifest.save()
    (manifest.folder / "instances.parquet").write_bytes(b"PAR1 but not for long")
    with pytest.raises(UserError, match=r"instances\.parquet") as error:
        Manifest.load(manifest.folder)
    one_line(error.value)


def test_rows_describe_their_pictures() -> None:
    row = image_row("a", "images/a.png", picture(0, (5, 7), 3, 16), "train", "g")
    assert (row["height"], row["width"], row["channels"], row["depth"]) == (5, 7, 3, 16)
    assert (row["synthetic"], row["clean_id"]) == (False, "")
    assert image_row("a", "images/a.png", picture(0), "train", "g", "b")["synthetic"] is True


@pytest.mark.parametrize("seed", range(5))
def test_the_box_is_tight(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((30, 40), bool)
    mask[rng.integers(30, size=seed + 1), rng.integers(40, size=seed + 1)] = True
    row = mask_row("d", "a", "crack", "masks/d.png", mask)
    box = mask[row["y"] : row["y"] + row["h"], row["x"] : row["x"] + row["w"]]
    assert box.sum() == mask.sum()
    assert box[0].any() and box[-1].any() and box[:, 0].any() and box[:, -1].any()
