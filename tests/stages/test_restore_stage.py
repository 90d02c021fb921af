"""train.restore: from patches to a checkpoint, the figures and the sheet."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.imaging.read import read_image
from defectgen.learn.checkpoint import CARD, CHECKPOINT, load_checkpoint
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches
from defectgen.learn.task import Colorization, JPEGRestoration, Restoration, Uncropping
from defectgen.manifest import Manifest
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.stages.restore import train_restorer

TINY: dict[str, Any] = {
    "network": partial(UNet, width=8, multipliers=(1,), attention=()),
    "steps": 4,
    "batch": 2,
    "sampling_steps": 2,
}


@pytest.fixture(autouse=True)
def _untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "log_data_set", lambda *told: None)


def folder_of(manifest: Manifest, spec: DataSpec) -> Path:
    spec.save(manifest.folder)
    return manifest.folder


@pytest.fixture
def patches(manifest: Manifest, spec: DataSpec) -> Path:
    return folder_of(manifest, spec)


@pytest.fixture
def coloured(colour_manifest: Manifest, spec: DataSpec) -> Path:
    return folder_of(colour_manifest, DataSpec(3, spec.classes, spec.sigma_data, spec.size, spec.flips))


@pytest.mark.parametrize(
    "task", [JPEGRestoration(9, 11), Uncropping(0.3), Colorization()], ids=lambda task: type(task).__name__
)
def test_it_leaves_a_network_its_figures_and_a_sheet(
    coloured: Path, tmp_path: Path, task: Restoration, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = train_restorer(tmp_path, coloured, 0, task=task, **TINY)
    trained = load_checkpoint(tmp_path / CHECKPOINT)
    assert trained.digest == digest and vars(trained.task) == vars(task) and type(trained.task) is type(task)
    assert type(task).__name__ in (tmp_path / CHECKPOINT / CARD).read_text()
    table = pd.read_parquet(tmp_path / "restored.parquet")
    held_out = Manifest.load(coloured).images.query("split == 'val'")
    assert set(table["image_id"]) == set(held_out["image_id"])
    means = table.mean(numeric_only=True)
    assert means.index.tolist() == ["psnr", "psnr_sample", "psnr_trivial"] and np.isfinite(means).all()
    ours, single, trivial = (f"{means[name]:.1f} dB" for name in ("psnr", "psnr_sample", "psnr_trivial"))
    told = f"restored {ours}, {task.baseline} {trivial} on {len(table)} held-out patches; a single sample {single}"
    assert told in capsys.readouterr().out
    assert read_image(tmp_path / "restored.png").std() > 0


def test_a_killed_training_goes_on_and_ends_the_same(
    patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train_restorer(tmp_path / "undisturbed", patches, 0, **TINY)
    step, seen = DiffusionModule.training_step, list[float]()

    def counted(module: DiffusionModule, batch: Any, index: int) -> torch.Tensor:
        seen.append(float(batch["uniform"][0]))
        if len(seen) == 3:
            raise RuntimeError("killed")
        return step(module, batch, index)

    monkeypatch.setattr(DiffusionModule, "training_step", counted)
    with pytest.raises(RuntimeError, match="killed"):
        train_restorer(tmp_path / "killed", patches, 0, **TINY)
    assert train_restorer(tmp_path / "killed", patches, 0, **TINY) == expected
    assert seen[3] == seen[2] and len(seen) == TINY["steps"] + 1


def test_a_grey_product_is_not_colorized_and_nothing_is_written(patches: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the product's pictures are grey"):
        train_restorer(tmp_path / "out", patches, 0, task=Colorization(), **TINY)
    assert not (tmp_path / "out").exists()


def test_a_product_that_loses_nothing_is_refused_in_one_line(
    coloured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of a camera without colour, stored as red, green and blue."""
    monkeypatch.setattr(Manifest, "read", lambda self, row: np.full((64, 64, 3), 7 * len(row), np.uint8))
    with pytest.raises(UserError, match=r"Colorization\(\): grey copied is all but the truth") as error:
        train_restorer(tmp_path / "out", coloured, 0, task=Colorization(), **TINY)
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_without_held_out_patches_a_network_is_left_all_the_same(
    patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    split = Patches.__init__
    renamed = {"train": "train", "val": "nothing"}
    monkeypatch.setattr(Patches, "__init__", lambda self, *rest: split(self, *rest[:2], renamed[rest[2]]))
    train_restorer(tmp_path, patches, 0, **TINY)
    assert "no held-out patch to restore" in capsys.readouterr().out
    assert (tmp_path / CHECKPOINT).is_dir() and not (tmp_path / "restored.parquet").exists()
