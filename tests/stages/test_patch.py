"""patch: only what may be learned from is cut, at native scale, every defect with its mask."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import pytest
from small import disc, one_line, picture, write_csv

from defectgen.errors import UserError
from defectgen.imaging.files import Mask, Pixels, pixel_hash, to_float, write_image, write_mask
from defectgen.imaging.read import read_image
from defectgen.imaging.region import Foreground
from defectgen.imaging.square import Square
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec
from defectgen.splits import Fractions
from defectgen.stages.ingest import ingest
from defectgen.stages.patch import SIZE, patch

SHAPE = (110, 130)
GOOD, CROPS = 24, 3
FRACTIONS = Fractions(0.4, 0.2, 0.2, 0.2)


class Cut(NamedTuple):
    """What `patch` made of what `ingest` made."""

    ingested: Manifest
    patches: Manifest
    spec: DataSpec
    digest: str


def _defect(number: int, label: str) -> Mask:
    """A disc, large on every second part; pits have a second, smaller one below."""
    x, radius = 40 + 3 * number, 35 if number % 2 == 0 else 6
    below = disc(x, 50 + radius + 14, 4, SHAPE) if label == "pit" else np.zeros(SHAPE, bool)
    return disc(x, 50, radius, SHAPE) | below


def _write_source(root: Path, colour: bool = False) -> None:
    """Parts photographed twice; a third shows pits, a third a crack."""
    rows = []
    for part in range(24):
        label = ("good", "pit", "crack")[part % 3]
        for shot in range(2):
            name = f"{part:02}-{shot}.png"
            write_image(root / name, picture(2 * part + shot, SHAPE, 3 if colour else 1))
            mask = "" if label == "good" else f"masks/{name}"
            if mask:
                write_mask(root / mask, _defect(part // 3, label))
            rows.append({"image_path": name, "mask_path": mask, "label": label, "group": f"part{part}"})
    write_csv(root, rows)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Cut:
    root = tmp_path_factory.mktemp("patch")
    _write_source(root / "source")
    ingest(root / "ingest", "tile", 0, source=root / "source", fractions=FRACTIONS)
    digest = patch(root / "patch", root / "ingest", 0, crops=CROPS, good=GOOD, flips=["horizontal"])
    return Cut(Manifest.load(root / "ingest"), Manifest.load(root / "patch"), DataSpec.load(root / "patch"), digest)


def _joined(cut: Cut) -> pd.DataFrame:
    """Every patch beside the picture it was cut from."""
    pictures = cut.ingested.images.set_index("image_id")
    return cut.patches.images.join(pictures, on="source_id", suffixes=("", "_source"))


def _square(row: pd.Series) -> Square:
    return Square(int(row["x"]), int(row["y"]), int(row["side"]))


def _source_pixels(cut: Cut, row: pd.Series) -> Pixels:
    images = cut.ingested.images.set_index("image_id", drop=False)
    return cut.ingested.read(images.loc[row["source_id"]])


def test_only_train_and_val_are_cut(cut: Cut) -> None:
    joined = _joined(cut)
    assert set(cut.ingested.images["split"]) == {"train", "val", "test", "reserve"}
    assert set(joined["split"]) == {"train", "val"}
    assert (joined["split"] == joined["split_source"]).all()
    assert (joined["group"] == joined["group_source"]).all()


def test_validation_shows_no_part_of_training(cut: Cut) -> None:
    groups = {split: set(rows["group"]) for split, rows in cut.patches.images.groupby("split")}
    assert groups["train"] and groups["val"] and not groups["train"] & groups["val"]
    hashes = cut.ingested.images.set_index("image_id")["image_sha256"]
    seen = {split: set(rows["source_id"].map(hashes)) for split, rows in cut.patches.images.groupby("split")}
    assert not seen["train"] & seen["val"]


def test_every_defect_of_both_splits_is_cut_as_often(cut: Cut) -> None:
    splits = cut.ingested.images.set_index("image_id")["split"]
    defects = cut.ingested.instances[cut.ingested.instances["image_id"].map(splits).isin(["train", "val"])]
    counts = cut.patches.instances["donor_id"].value_counts()
    assert counts.to_dict() == dict.fromkeys(defects["instance_id"], CROPS)
    places = cut.patches.images.set_index("image_id")[["x", "y", "side"]].agg(tuple, axis=1)
    per_defect = cut.patches.instances["image_id"].map(places).groupby(cut.patches.instances["donor_id"]).nunique()
    assert per_defect.mean() > CROPS - 0.2  # each time at another offset
    labels = cut.ingested.instances.set_index("instance_id")["label"]
    assert (cut.patches.instances["donor_id"].map(labels) == cut.patches.instances["label"]).all()


def test_every_mask_shows_its_defect(cut: Cut) -> None:
    images = cut.patches.images.set_index("image_id", drop=False)
    donors = cut.ingested.instances.set_index("instance_id", drop=False)
    for _, row in cut.patches.instances.iterrows():
        mask = cut.patches.read_mask(row)
        assert mask.shape == (SIZE, SIZE) and mask.any()
        square = _square(images.loc[row["image_id"]])
        donor = square.cut(cut.ingested.read_mask(donors.loc[row["donor_id"]]))
        wanted = cv2.resize(donor.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        assert (mask[wanted > 0.5]).all() and donor.any()


def test_a_neighbour_of_the_class_is_masked_too(cut: Cut) -> None:
    """A patch that shows two pits says so of both, or the network learns that one of them is clean surface."""
    images = cut.patches.images.set_index("image_id", drop=False)
    twins = cut.ingested.instances[cut.ingested.instances["label"] == "pit"]
    seen = 0
    for _, row in cut.patches.instances[cut.patches.instances["label"] == "pit"].iterrows():
        place = images.loc[row["image_id"]]
        both = twins[twins["image_id"] == place["source_id"]]
        assert len(both) == 2
        shown = [_square(place).cut(cut.ingested.read_mask(defect)) for _, defect in both.iterrows()]
        seen += all(mask.any() for mask in shown)
        share = cv2.resize((shown[0] | shown[1]).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        assert cut.patches.read_mask(row)[share > 0.5].all()
    assert seen > 10


def test_patches_are_native_pixels(cut: Cut) -> None:
    """At side 64 nothing is resampled; a larger region is averaged."""
    checked = 0
    for _, row in cut.patches.images.iterrows():
        pixels, square = cut.patches.read(row), _square(row)
        source = _source_pixels(cut, row)
        assert pixels.shape == (SIZE, SIZE) and pixels.dtype == source.dtype
        if square.side == SIZE:
            checked += 1
            assert np.array_equal(pixels, square.cut(source))
        else:
            assert abs(float(pixels.mean()) - float(square.cut(source).mean())) < 1
    assert checked > 20 and (cut.patches.images["side"] > SIZE).any()


def test_good_patches_come_from_clean_pictures(cut: Cut) -> None:
    good = cut.patches.images[~cut.patches.images["image_id"].isin(cut.patches.instances["image_id"])]
    assert not set(good["source_id"]) & set(cut.ingested.instances["image_id"])
    assert (good["split"] == "train").sum() == GOOD
    clean = cut.ingested.images[~cut.ingested.images["image_id"].isin(cut.ingested.instances["image_id"])]
    per_split = clean["split"].value_counts()
    assert (good["split"] == "val").sum() == round(GOOD * per_split["val"] / per_split["train"])
    assert (good["side"] > SIZE).any() and (good["side"] == SIZE).any()  # of the sizes of the defects' regions


def test_a_region_lies_in_the_picture_where_it_fits(cut: Cut) -> None:
    images = cut.patches.images
    for start, size in (("x", SHAPE[1]), ("y", SHAPE[0])):
        fits = images["side"] <= size
        assert fits.any()
        assert (images[start][fits] >= 0).all() and (images[start][fits] + images["side"][fits] <= size).all()


def test_the_spec_describes_the_training_patches(cut: Cut) -> None:
    train = cut.patches.images[cut.patches.images["split"] == "train"]
    values = np.concatenate([to_float(cut.patches.read(row)).ravel() for _, row in train.iterrows()])
    assert cut.spec == DataSpec(1, ["good", "crack", "pit"], cut.spec.sigma_data, SIZE, ["horizontal"])
    assert cut.spec.sigma_data == pytest.approx(values.std(), rel=1e-5)


def test_the_sheet_shows_a_row_for_every_class(cut: Cut) -> None:
    shown = read_image(cut.patches.folder / "sheet.png")
    assert shown.dtype == np.uint8 and shown.shape[2] == 3
    assert shown.shape[0] >= 3 * 2 * SIZE
    red = (shown[..., 0] > 200) & (shown[..., 1] < 90) & (shown[..., 2] < 90)
    thirds = np.array_split(red, 3)
    assert thirds[1].sum() > 100 and thirds[2].sum() > 100 and thirds[0].sum() < 20


def test_same_seed_same_patches(cut: Cut, tmp_path: Path) -> None:
    again = patch(tmp_path / "again", cut.ingested.folder, 0, crops=CROPS, good=GOOD, flips=["horizontal"])
    assert again == cut.digest
    assert patch(tmp_path / "other", cut.ingested.folder, 1, crops=1, good=3) != cut.digest
    others = Manifest.load(tmp_path / "other").images
    at = [
        set(zip(*(images[column] for column in ("source_id", "x", "y")), strict=True))
        for images in (others, cut.patches.images)
    ]
    assert len(at[0] & at[1]) < len(at[0]) / 4  # cut elsewhere


def test_colour_stays_colour(tmp_path: Path) -> None:
    _write_source(tmp_path / "source", colour=True)
    ingest(tmp_path / "ingest", "tile", 0, source=tmp_path / "source", fractions=FRACTIONS)
    patch(tmp_path / "patch", tmp_path / "ingest", 0, crops=1, good=3)
    patches, spec = Manifest.load(tmp_path / "patch"), DataSpec.load(tmp_path / "patch")
    assert spec.channels == 3 and spec.flips == []
    assert all(patches.read(row).shape == (SIZE, SIZE, 3) for _, row in patches.images.iterrows())


def test_clean_regions_lie_on_the_part(tmp_path: Path) -> None:
    """Where the product is a part on a ground, half of the clean regions follow the defects, the rest lie on it too."""
    part = cv2.ellipse(np.zeros((300, 400), np.uint8), (200, 150), (150, 40), 30, 0, 360, 1, -1).astype(bool)
    rows = []
    for number in range(12):
        pixels = np.where(part, 180, 40) + np.random.default_rng(number).integers(-5, 6, part.shape)
        write_image(tmp_path / f"source/{number}.png", pixels.astype(np.uint8))
        mask = "" if number % 2 else f"masks/{number}.png"
        if mask:
            write_mask(tmp_path / "source" / mask, disc(150 + 8 * number, 150, 5, (300, 400)))
        rows.append({"image_path": f"{number}.png", "mask_path": mask, "label": "pit" if mask else "good"})
    write_csv(tmp_path / "source", rows)
    ingest(tmp_path / "ingest", "pin", 0, source=tmp_path / "source", fractions=FRACTIONS, legal=Foreground())
    patch(tmp_path / "patch", tmp_path / "ingest", 0, crops=1, good=30)
    images = Manifest.load(tmp_path / "patch").images
    shares = [_square(row).cut(part).mean() for _, row in images.iterrows()]
    assert min(shares) > 0.1  # of 64 x 64 pixels, on a part that covers a sixth of the picture


def test_mixed_pictures_and_missing_defects_are_named(tmp_path: Path) -> None:
    _write_source(tmp_path / "source")
    ingest(tmp_path / "mixed", "tile", 0, source=tmp_path / "source")
    mixed = Manifest.load(tmp_path / "mixed")  # ingest lets no such picture in
    shown = mixed.images["image_id"].isin(mixed.instances["image_id"]) & (mixed.images["split"] == "train")
    write_image(tmp_path / "mixed" / mixed.images.loc[shown, "image_path"].iloc[0], picture(0, SHAPE, 3))
    mixed.images.loc[shown.idxmax(), ["image_sha256", "channels"]] = pixel_hash(picture(0, SHAPE, 3)), 3
    mixed.save()
    with pytest.raises(UserError, match="grey and colour pictures are mixed; convert one kind"):
        patch(tmp_path / "patch", tmp_path / "mixed", 0, crops=1, good=3)
    for number in range(6):
        write_image(tmp_path / f"clean/good/{number}.png", picture(number))
    ingest(tmp_path / "without", "tile", 0, source=tmp_path / "clean")
    with pytest.raises(UserError, match="no defect") as error:
        patch(tmp_path / "patch", tmp_path / "without", 0, crops=1, good=3)
    one_line(error.value)


@pytest.mark.parametrize(("label", "missing"), [("good", "no clean picture"), ("pit", "no pit")])
def test_what_no_training_can_do_without_is_missed_before_it(tmp_path: Path, label: str, missing: str) -> None:
    _write_source(tmp_path / "source")
    table = pd.read_csv(tmp_path / "source/metadata.csv", keep_default_na=False)
    table["split"] = np.where(table["label"] == label, "val", "train")
    table.to_csv(tmp_path / "source/metadata.csv", index=False)
    ingest(tmp_path / "ingest", "tile", 0, source=tmp_path / "source")
    with pytest.raises(UserError, match=f"{missing}.* in the training split"):
        patch(tmp_path / "patch", tmp_path / "ingest", 0)
