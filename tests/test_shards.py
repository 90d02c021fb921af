"""A shard that is done is trusted only together with its pictures and for the plan it was drawn for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from defectgen.imaging.files import pixel_hash, write_image, write_mask
from defectgen.manifest import write_table
from defectgen.shards import is_drawn, shard_path

PLANNED = pd.DataFrame({"plan_id": ["a", "b"]})


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A folder with shard 3: an attempt at each of two rows, and one that failed before there was a picture."""
    rows = []
    for number, plan_id in enumerate(["a", "b"]):
        crop, label = np.full((8, 8), number, np.uint8), np.eye(8, dtype=bool)
        write_image(tmp_path / f"crops/{number}.png", crop)
        write_mask(tmp_path / f"crops/{number}-label.png", label)
        hashes = {"crop_sha256": pixel_hash(crop), "label_sha256": pixel_hash(label)}
        paths = {"crop_path": f"crops/{number}.png", "label_path": f"crops/{number}-label.png"}
        rows.append({"plan_id": plan_id} | paths | hashes)
    rows.append({"plan_id": "b", "crop_path": "", "label_path": ""})
    write_table(shard_path(tmp_path, 3), pd.DataFrame(rows))
    return tmp_path


def test_a_shard_is_drawn_when_its_table_is_there(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_drawn(drawn, 3, PLANNED)
    assert not is_drawn(drawn, 4, PLANNED)
    assert capsys.readouterr().out == "", "there is nothing to say about either"


def without_hashes(folder: Path) -> None:
    """As an earlier version wrote it."""
    path = shard_path(folder, 3)
    write_table(path, pd.read_parquet(path).drop(columns=["crop_sha256", "label_sha256"]))


FAULTS: dict[str, Callable[[Path], object]] = {
    "crops/1.png: no such file": lambda folder: (folder / "crops/1.png").unlink(),
    "crops/0-label.png: no such file": lambda folder: (folder / "crops/0-label.png").unlink(),
    "crops/1.png": lambda folder: (folder / "crops/1.png").write_bytes(b"\x89PNG"),
    "crops/1.png is not as it was": lambda folder: write_image(folder / "crops/1.png", np.zeros((8, 8), np.uint8)),
    "crops/0-label.png is not as it was": lambda folder: write_mask(
        folder / "crops/0-label.png", np.ones((8, 8), bool)
    ),
    "00003.parquet cannot be read": lambda folder: shard_path(folder, 3).write_bytes(b"PAR1"),
    "cannot be read ('crop_sha256')": without_hashes,
}


@pytest.mark.parametrize("said", FAULTS)
def test_otherwise_it_is_drawn_again_and_says_why(drawn: Path, capsys: pytest.CaptureFixture[str], said: str) -> None:
    FAULTS[said](drawn)
    assert not is_drawn(drawn, 3, PLANNED)
    (note,) = capsys.readouterr().out.splitlines()
    assert note.startswith("note: shard 3 is drawn again: ") and said in note


@pytest.mark.parametrize("rows", [["a"], ["a", "b", "c"], ["a", "c"]])
def test_a_plan_cut_into_other_shards_has_none_that_are_drawn(drawn: Path, rows: list[str]) -> None:
    """The plan's digest is the same however it is cut, so the folder is gone on with."""
    assert not is_drawn(drawn, 3, pd.DataFrame({"plan_id": rows}))
