"""The stage `draw`: a source folder that reads back, the same from the same seed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jsonargparse import ArgumentParser

from defectgen.drawing.families import FAMILIES
from defectgen.drawing.part import PaintedPart
from defectgen.drawing.plate import BrushedPlate
from defectgen.errors import UserError
from defectgen.formats.folders import Folders
from defectgen.imaging.read import read_image, read_mask
from defectgen.stages.draw import draw

SMALL = BrushedPlate(size=96)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("drawn")
    return out, draw(out, product=SMALL, clean=7, per_class=3, seed=5)


def _table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "metadata.csv", dtype=str, keep_default_na=False)


def test_same_seed_same_bytes(drawn: tuple[Path, str], tmp_path: Path) -> None:
    out, digest = drawn
    assert draw(tmp_path, product=SMALL, clean=7, per_class=3, seed=5) == digest
    files = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()]
    assert len(files) == 7 + 2 * 3 * len(FAMILIES) + 1
    assert all((out / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)


def test_another_seed_another_digest(drawn: tuple[Path, str], tmp_path: Path) -> None:
    assert draw(tmp_path, product=SMALL, clean=7, per_class=3, seed=6) != drawn[1]


def test_more_pictures_keep_the_first_ones(drawn: tuple[Path, str], tmp_path: Path) -> None:
    draw(tmp_path, product=SMALL, clean=3, per_class=1, seed=5)
    for row in _table(tmp_path).itertuples():
        assert (tmp_path / row.image_path).read_bytes() == (drawn[0] / row.image_path).read_bytes()
    assert set(_table(tmp_path)["group"]) <= set(_table(drawn[0])["group"])


def test_table_names_every_picture_and_its_mask(drawn: tuple[Path, str]) -> None:
    out, _ = drawn
    table = _table(out)
    assert list(table.columns) == ["image_path", "mask_path", "label", "group"]
    assert table["label"].value_counts().to_dict() == {"good": 7} | dict.fromkeys(FAMILIES, 3)
    assert set(table["image_path"]) == {
        p.relative_to(out).as_posix() for label in ("good", *FAMILIES) for p in (out / label).iterdir()
    }
    for row in table.itertuples():
        image = read_image(out / row.image_path)
        assert (image.shape, image.dtype) == ((96, 96), np.uint8)
        assert row.image_path.startswith(f"{row.label}/")
        if row.label == "good":
            assert row.mask_path == ""
        else:
            assert row.mask_path == f"ground_truth/{row.image_path}"
            assert set(np.unique(read_image(out / row.mask_path))) == {0, 255}
            assert read_mask(out / row.mask_path).sum() >= 40


def test_groups_are_parts_photographed_up_to_three_times(tmp_path: Path) -> None:
    draw(tmp_path, product=SMALL, clean=40, per_class=0, seed=0)
    sizes = _table(tmp_path)["group"].value_counts()
    assert set(sizes) == {1, 2, 3}


def test_a_group_holds_one_label(drawn: tuple[Path, str]) -> None:
    assert (_table(drawn[0]).groupby("group")["label"].nunique() == 1).all()


def test_reads_back_as_a_source_folder(drawn: tuple[Path, str]) -> None:
    records = Folders().read(drawn[0]).records
    assert len(records) == 7 + 3 * len(FAMILIES)
    assert {annotation.label for record in records for annotation in record.annotations} == set(FAMILIES)


@pytest.mark.parametrize("name", ["clean", "per_class", "seed"])
def test_negative_numbers_are_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"draw.{name}: -1"):
        draw(tmp_path / "out", product=SMALL, **{name: -1})
    assert not (tmp_path / "out").exists()


def test_product_is_chosen_by_name_with_plain_settings() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(draw, skip={"out"})
    chosen = {"product": {"class_path": "PaintedPart", "init_args": {"size": 200, "colour": [0.1, 0.2, 0.5]}}}
    product = parser.instantiate(parser.parse_object(chosen)).product
    assert isinstance(product, PaintedPart)
    assert (product.size, tuple(product.colour)) == (200, (0.1, 0.2, 0.5))
    assert "BrushedPlate" in parser.dump(parser.get_defaults())
