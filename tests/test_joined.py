"""Healed pictures beside the real ones: every file is found, and they are clean pictures of the training split."""

from pathlib import Path

import numpy as np
import pytest
from small import disc, picture, put_picture, real_manifest

from defectgen.imaging.files import write_mask
from defectgen.joined import with_healed
from defectgen.manifest import IMAGES, INSTANCES, Manifest, table
from defectgen.source import Source

LEGAL = disc(30, 20, 15)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    ingest, heal = tmp_path / "ingest/tile", tmp_path / "heal/tile"
    real = real_manifest(ingest)
    real.images["legal_path"] = ["", "legal/all.png", "", ""]
    real.save()
    write_mask(ingest / "legal/all.png", LEGAL)
    row = put_picture(heal, "mended", picture(9), clean_id="broken") | {"legal_path": "legal/mended.png"}
    write_mask(heal / "legal/mended.png", ~LEGAL)
    Manifest(heal, table([row], IMAGES), table([], INSTANCES)).save()
    return ingest, heal


def test_every_picture_mask_and_region_is_found_in_its_own_folder(folders: tuple[Path, Path]) -> None:
    joined = Source(with_healed(*folders))
    alone = Source(Manifest.load(folders[0]))
    for image_id in alone.images.index:
        assert np.array_equal(joined.pixels(image_id), alone.pixels(image_id))
    assert np.array_equal(joined.pixels("mended"), picture(9))
    assert joined.legal("clean-a") is None
    for image_id, expected in (("clean-b", LEGAL), ("mended", ~LEGAL)):
        legal = joined.legal(image_id)
        assert legal is not None and np.array_equal(legal, expected)
    for _, row in joined.instances.iterrows():
        assert joined.manifest.read_mask(row).any()


def test_a_healed_picture_is_clean_and_leads_to_the_real_one(folders: tuple[Path, Path]) -> None:
    joined = Source(with_healed(*folders))
    assert joined.clean("train") == ["clean-a", "clean-b", "mended"] and joined.clean("test") == ["unseen"]
    assert [joined.origin(name) for name in ("mended", "clean-a")] == ["broken", "clean-a"]
    assert set(joined.defects("train")["image_id"]) == {"broken"}


def test_where_nothing_was_healed_it_is_the_ingested_manifest(folders: tuple[Path, Path]) -> None:
    alone = with_healed(folders[0], None)
    assert alone.folder == folders[0] and alone.digest() == Manifest.load(folders[0]).digest()
