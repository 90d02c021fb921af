"""ingest: the splits it keeps or makes never tear a part (promise 2 of the design)."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small import csv_rows, disc, one_line, picture, write_classes, write_csv

from defectgen.errors import UserError
from defectgen.imaging.files import write_image, write_mask
from defectgen.manifest import Manifest
from defectgen.splits import Fractions
from defectgen.stages.ingest import ingest


def _ingest(source: Path, out: Path, seed: int = 0) -> pd.DataFrame:
    ingest(out, "tile", seed, source=source)
    return Manifest.load(out).images


def _split_rows(source: Path) -> list[dict[str, str]]:
    """A table that says the splits; every group is in one."""
    splits = dict(zip(("1e3", "000", "001", "002", "003"), ("train", "test", "val", "reserve", "train"), strict=True))
    return [row | {"split": splits[row["group"]]} for row in csv_rows(source)]


def test_supplied_splits_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    rows = _split_rows(source)
    write_csv(source, rows)
    images = _ingest(source, tmp_path / "out").set_index("source_path")
    assert images["split"].to_dict() == {str(source / row["image_path"]): row["split"] for row in rows}


def _same_content(source: Path, rows: list[dict[str, str]]) -> None:
    write_image(source / "shots/03.png", picture(0))  # 00 is in train, 03 in test


def _same_group(source: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["group"] = rows[3]["group"]


@pytest.mark.parametrize("tear", [_same_content, _same_group])
def test_a_supplied_split_may_not_tear_a_part(
    tmp_path: Path, tear: Callable[[Path, list[dict[str, str]]], None]
) -> None:
    source = tmp_path / "source"
    rows = _split_rows(source)
    tear(source, rows)
    write_csv(source, rows)
    with pytest.raises(UserError, match="which is in another split; mend the table") as error:
        ingest(tmp_path / "out", "tile", 0, source=source)
    named = [row for row in rows if row["image_path"] in one_line(error.value)]
    assert len({row["split"] for row in named}) == 2  # it names two pictures that stand against each other
    assert not (tmp_path / "out/images.parquet").exists()


def test_exact_duplicates_share_their_split(tmp_path: Path) -> None:
    """The same photograph under two names cannot train and judge."""
    source = tmp_path / "source"
    write_classes(source, {"good": 30, "crack": 10})
    for number in range(10):
        write_image(source / f"good/copy-{number}.png", picture(number))
        write_image(source / f"crack/copy-{number}.png", picture(1000 + number))
        write_mask(source / f"ground_truth/crack/copy-{number}.png", disc(30, 30, 5))
    for seed in range(3):
        images = _ingest(source, tmp_path / f"out{seed}", seed)
        assert images.groupby("image_sha256")["split"].nunique().max() == 1
        assert images.groupby("group")["split"].nunique().max() == 1
        assert images["split"].nunique() == 4


def test_fractions_are_followed(tmp_path: Path) -> None:
    write_classes(tmp_path / "source", {"good": 20, "crack": 10})
    digest = ingest(tmp_path / "a", "tile", 0, source=tmp_path / "source", fractions=Fractions(0.6, 0.0, 0.4, 0.0))
    counts = Manifest.load(tmp_path / "a").images["split"].value_counts().to_dict()
    assert counts == {"train": 18, "test": 12}
    assert digest != ingest(tmp_path / "b", "tile", 0, source=tmp_path / "source")
