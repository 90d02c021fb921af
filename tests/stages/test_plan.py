"""Plans put defects where they could have happened, and are the same again from the same seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small import disc, put_mask, put_picture

from defectgen.errors import UserError
from defectgen.imaging.files import Mask, Pixels, write_mask
from defectgen.imaging.region import grow
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, mask_row, table
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.stages.plan import plan

SHAPE = (120, 180)


def surface(number: int) -> tuple[Pixels, Mask]:
    """A picture with a striped band, elsewhere in every picture, on a plain surface; and where the stripes are."""
    rng = np.random.default_rng(number)
    start = int(rng.integers(0, SHAPE[1] - 70))
    band = np.zeros(SHAPE, bool)
    band[:, start : start + 70] = True
    lines = 40 * np.sin(np.arange(SHAPE[0]) * 0.9)[:, None]
    return (120 + band * lines + rng.normal(0, 5, SHAPE)).astype(np.uint8), band


def on_stripes(number: int, band: Mask) -> Mask:
    rng = np.random.default_rng(number)
    return disc(int(np.flatnonzero(band[0]).mean()) + int(rng.integers(-8, 8)), int(rng.integers(40, 80)), 7, SHAPE)


def at_the_border(number: int, band: Mask) -> Mask:
    """A chip of the upper or lower edge, beside the stripes or not."""
    rng = np.random.default_rng(number)
    chip = disc(int(rng.integers(20, SHAPE[1] - 20)), 0, 9, SHAPE)
    return chip if number % 2 else chip[::-1]


def write_product(root: Path, defects: dict[str, tuple[int, Callable[[int, Mask], Mask]]], clean: int = 8) -> Source:
    """A manifest and its DataSpec: so many defects of each class, each drawn dark on its own picture."""
    images: list[Row] = [put_picture(root / "ingest", f"clean{n}", surface(n)[0]) for n in range(clean)]
    images = [row | {"legal_path": "", "legal_sha256": ""} for row in images]
    instances: list[Row] = []
    for kind, (label, (count, where)) in enumerate(defects.items()):
        for number in range(100 * (kind + 1), 100 * (kind + 1) + count):
            pixels, band = surface(number)
            mask = where(number, band)
            images.append(put_picture(root / "ingest", f"bad{number}", np.where(mask, 20, pixels).astype(np.uint8)))
            images[-1] |= {"legal_path": "", "legal_sha256": ""}
            instances.append(put_mask(root / "ingest", f"{label}{number}", f"bad{number}", label, mask))
    manifest = Manifest(root / "ingest", table(images, IMAGES), table(instances, INSTANCES))
    manifest.save()
    DataSpec(1, ["good", *defects], 0.5, 64, ["horizontal", "vertical"]).save(root / "patch")
    return Source(manifest)


def planned(root: Path, seed: int = 0, **settings: Any) -> pd.DataFrame:
    plan(root / "plan", root / "ingest", root / "patch", seed, "product", **settings)
    return pd.read_parquet(root / "plan" / PLAN)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, pd.DataFrame, Path]:
    root = tmp_path_factory.mktemp("plan")
    source = write_product(root, {"scratch": (8, on_stripes), "chip": (8, at_the_border), "dent": (3, on_stripes)})
    return source, planned(root, per_class=20), root


def test_a_scratch_lies_on_stripes_and_a_chip_at_the_border(product: tuple[Source, pd.DataFrame, Path]) -> None:
    source, rows, _ = product
    striped, touching = [], []
    for _, row in rows.iterrows():
        shape, band = source.planned_shape(row), surface(int(row["clean_id"].removeprefix("clean")))[1]
        if row["label"] == "scratch":
            striped.append((shape & band).sum() / shape.sum() > 0.9)
        if row["label"] == "chip":
            touching.append(shape[0].any() or shape[-1].any())
            assert not shape[:, 0].any() and not shape[:, -1].any()
    assert np.mean(striped) > 0.8  # a third of all places are
    assert np.mean(touching) > 0.8


def test_a_plan_is_made_again_and_another_seed_makes_another(product: tuple[Source, pd.DataFrame, Path]) -> None:
    _, rows, root = product
    pd.testing.assert_frame_equal(rows, planned(root, per_class=20))
    other = planned(root, seed=1, per_class=20)
    assert not set(other["elastic"]) & set(rows["elastic"])
    assert not np.array_equal(np.stack(other["transform"]), np.stack(rows["transform"]))


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.0, 0.0), (0.5, 0.3, 0.7), (1.0, 1.0, 1.0)])
def test_so_many_defects_as_asked_take_over_the_shape_of_another_class(
    product: tuple[Source, pd.DataFrame, Path], share: float, least: float, most: float
) -> None:
    source, _, root = product
    rows = planned(root, per_class=20, other_class=share)
    donors = source.instances.loc[rows["donor_id"], "label"].to_numpy()
    assert least <= (donors != rows["label"]).mean() <= most
    assert rows["label"].value_counts().to_dict() == {"scratch": 20, "chip": 20, "dent": 20}


def test_a_product_of_one_class_has_no_other(tmp_path: Path) -> None:
    write_product(tmp_path, {"scratch": (2, on_stripes)}, clean=2)
    with pytest.raises(UserError, match=r"^plan.other_class: .*leave it out"):
        planned(tmp_path, other_class=0.1)


def test_every_row_says_how_its_shape_was_made_and_how_well_its_place_fits(
    product: tuple[Source, pd.DataFrame, Path],
) -> None:
    source, rows, _ = product
    assert (rows["context"] >= 0).all() and np.isfinite(rows["context"]).all()
    assert rows["elastic"].is_unique
    labels = source.instances["label"]
    assert (rows["donor_id"].map(labels) == rows["label"]).all()
    drawn = rows.groupby("label")["drawn"].mean()
    assert drawn["scratch"] == drawn["chip"] == 0 and 0.2 < drawn["dent"] < 0.8  # three dents are few
    changed = []
    for _, row in rows.iterrows():
        shape = source.planned_shape(row)
        assert np.array_equal(shape, Source(source.manifest).planned_shape(row))
        donor, size = source.manifest.read_mask(source.instances.loc[row["donor_id"]]), shape.sum()
        assert size == pytest.approx(
            donor.sum() * abs(np.linalg.det(np.reshape(row["transform"], (2, 3))[:, :2])), rel=0.4
        )
        plain = source.planned_shape(row.drop(["elastic", "drawn"]))
        assert (shape & plain).any()
        changed.append(not np.array_equal(shape, plain))
    assert np.mean(changed) > 0.7  # what a change does to a small disc may be less than a pixel


def test_shapes_lie_on_the_part_not_in_its_margin(tmp_path: Path) -> None:
    """The legal region has a wide margin and the real defects lie half beside the part."""
    part = np.zeros(SHAPE, bool)
    part[40:80, 30:150] = True
    legal = grow(part, 25)
    source = write_product(tmp_path, {"burr": (6, lambda number, _: disc(60 + number % 50, 40, 6, SHAPE))}, clean=4)
    pixels = np.where(part, 60, 190) + np.random.default_rng(0).normal(0, 3, SHAPE)
    images = []
    for _, row in source.images.iterrows():
        write_mask(source.manifest.folder / "legal" / f"{row['image_id']}.png", legal)
        fresh = put_picture(source.manifest.folder, row["image_id"], pixels.astype(np.uint8))
        images.append(
            fresh
            | {
                "legal_path": f"legal/{row['image_id']}.png",
                "legal_sha256": mask_row("", "", "x", "", legal)["mask_sha256"],
            }
        )
    manifest = Manifest(source.manifest.folder, table(images, IMAGES), source.manifest.instances)
    manifest.save()
    rows = planned(tmp_path, per_class=25)
    shares = [
        (shape & part).sum() / shape.sum()
        for shape in (Source(manifest).planned_shape(row) for _, row in rows.iterrows())
    ]
    assert min(shares) > 0.4 and np.mean(np.array(shares) >= 0.5) > 0.9
    assert np.mean(shares) < 0.95  # they lie at its edge, as the real ones do


def test_without_room_one_line_says_so(tmp_path: Path) -> None:
    source = write_product(tmp_path, {"scratch": (5, on_stripes)}, clean=2)
    tiny = [put_picture(source.manifest.folder, f"clean{n}", np.full((9, 9), n, np.uint8)) for n in range(2)]
    images = pd.concat([table(tiny, IMAGES).assign(legal_path="", legal_sha256=""), source.manifest.images.iloc[2:]])
    Manifest(source.manifest.folder, images.reset_index(drop=True), source.manifest.instances).save()
    with pytest.raises(UserError, match="no clean picture has room for scratch"):
        planned(tmp_path, per_class=1)
