"""train.inpaint: what it starts from, and what its batches are made of."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from defectgen import tracking
from defectgen.diffusion.denoise import EDM, Denoiser
from defectgen.diffusion.noise import Karras
from defectgen.errors import UserError
from defectgen.learn import preserve, preview
from defectgen.learn.checkpoint import CARD, CHECKPOINT, load_checkpoint, save_checkpoint
from defectgen.learn.prior import first_weights, started
from defectgen.learn.task import Inpainting, Whole
from defectgen.manifest import Manifest
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.stages.train import train

TAUGHT = DataSpec(3, ["good", "defect"], 0.45, 64)
TINY: dict[str, Any] = {"network": partial(UNet, width=8, multipliers=(1,), attention=()), "steps": 2, "batch": 2}
UNMOVED = {"learning_rate": 1e-12, "warmup": 0}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "log_data_set", lambda *told: None)
    monkeypatch.setattr(preview, "STEPS", 1)


@pytest.fixture(scope="module")
def patches(manifest: Manifest, spec: DataSpec) -> Path:
    spec.save(manifest.folder)
    return manifest.folder


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prior")
    torch.manual_seed(5)
    denoiser = Denoiser(TINY["network"](TAUGHT), EDM(), TAUGHT.sigma_data)
    save_checkpoint(folder, denoiser, Karras(), TAUGHT, "32-true", "# Prior")
    return folder


def test_it_starts_from_the_prior_with_the_priors_scale(
    patches: Path, prior: Path, spec: DataSpec, tmp_path: Path
) -> None:
    train(tmp_path, patches, 0, init_from=prior, **TINY, **UNMOVED)
    trained = load_checkpoint(tmp_path / CHECKPOINT)
    assert trained.spec.sigma_data == trained.denoiser.sigma_data == TAUGHT.sigma_data != spec.sigma_data
    expected = started(TINY["network"](spec), EDM(), spec, prior, "train.inpaint").state_dict()
    torch.testing.assert_close(trained.denoiser.state_dict(), expected)


def test_from_nothing_it_takes_the_scale_of_the_patches(patches: Path, spec: DataSpec, tmp_path: Path) -> None:
    train(tmp_path, patches, 0, init_from="none", **TINY)
    assert load_checkpoint(tmp_path / CHECKPOINT).denoiser.sigma_data == spec.sigma_data


def test_the_task_is_trained_and_told_in_checkpoint_and_card(patches: Path, prior: Path, tmp_path: Path) -> None:
    digests = [
        train(tmp_path / type(task).__name__, patches, 0, task=task, init_from=prior, drawn_share=0.5, **TINY)
        for task in (Inpainting(), Whole())
    ]
    assert len(set(digests)) == 2
    assert isinstance(load_checkpoint(tmp_path / "Whole" / CHECKPOINT).task, Whole)
    assert "Whole" in (tmp_path / "Whole" / CHECKPOINT / CARD).read_text()
    assert list((tmp_path / "Whole/samples").iterdir())


def test_drawings_in_the_batches_teach_something_else_and_always_the_same(patches: Path, tmp_path: Path) -> None:
    def digest(name: str, share: float) -> str:
        return train(tmp_path / name, patches, 0, init_from="none", drawn_share=share, **TINY)

    assert digest("mixed", 0.5) == digest("again", 0.5) != digest("own", 0.0)


def test_unless_told_otherwise_it_starts_from_the_prior_that_comes_with_it(
    patches: Path, spec: DataSpec, tmp_path: Path
) -> None:
    train(tmp_path, patches, 0, steps=1, batch=1, **UNMOVED)
    expected = first_weights(UNet(spec), EDM(), spec, "prior", "train.inpaint").state_dict()
    torch.testing.assert_close(load_checkpoint(tmp_path / CHECKPOINT).denoiser.state_dict(), expected)
    assert "from prior" in (tmp_path / CHECKPOINT / CARD).read_text()


def test_a_new_class_is_learnt_beside_those_of_an_earlier_training(
    patches: Path, spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preserve, "STEPS", 1)
    monkeypatch.setattr(preserve, "PER_CLASS", 2)
    earlier = replace(spec, classes=["good", "dent", "scratch"])
    torch.manual_seed(5)
    denoiser = Denoiser(TINY["network"](earlier), EDM(), earlier.sigma_data)
    for parameter in denoiser.parameters():  # as of one that was trained: nothing is zero
        parameter.data += 0.05 * torch.randn_like(parameter)
    save_checkpoint(tmp_path / "earlier", denoiser, Karras(), earlier, "32-true", "# Earlier")
    train(
        tmp_path / "new", patches, 0, init_from=tmp_path / "earlier", preserve=0.5, **TINY | {"steps": 6, "warmup": 0}
    )
    trained = load_checkpoint(tmp_path / "new" / CHECKPOINT)
    assert trained.spec.classes == ["good", "dent", "scratch", "pit"]
    now, before = (weights.network.told.table.weight for weights in (trained.denoiser, denoiser))
    assert torch.equal(now[[0, 1, 2, 4]], before), "nor has what stands for untold changed"
    assert 0 < (now[3] - before[3]).abs().max() < 0.1, "pit starts as untold, and learns"
    assert not torch.equal(trained.denoiser.network.exit[2].bias, denoiser.network.exit[2].bias), "so does the rest"
    card = (tmp_path / "new" / CHECKPOINT / CARD).read_text()
    assert "0.5 of the patches drawn by it to preserve dent, scratch" in card
    assert "classes: good, dent, scratch, pit" in card


def test_preserved_pictures_in_the_batches_teach_something_else_and_always_the_same(
    patches: Path, prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preserve, "STEPS", 1)
    monkeypatch.setattr(preserve, "PER_CLASS", 2)

    def digest(name: str, share: float) -> str:
        return train(tmp_path / name, patches, 0, init_from=prior, preserve=share, **TINY)

    assert digest("half", 0.5) == digest("again", 0.5) != digest("all", 1.0)


def test_preserving_the_shipped_prior_is_refused_before_anything_is_written(patches: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.inpaint.preserve: init_from: prior knows no classes of yours"):
        train(tmp_path / "out", patches, 0, preserve=0.5, **TINY)
    assert not (tmp_path / "out").exists()
