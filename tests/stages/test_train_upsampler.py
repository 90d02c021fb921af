"""train.upsample: it trains where a product has large defects, and leaves nothing where it has none."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from large_product import CLASSES, write_product

from defectgen.diffusion.denoise import EDM, Denoiser
from defectgen.diffusion.noise import Cosine
from defectgen.learn import preview
from defectgen.learn.callbacks import read_curves
from defectgen.learn.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from defectgen.learn.prior import started
from defectgen.nn.efficient import EfficientUNet
from defectgen.spec import DataSpec
from defectgen.stages.upsample import train_upsampler

TINY: dict[str, Any] = {
    "network": partial(EfficientUNet, width=8, multipliers=(1, 1), blocks=(1, 1)),
    "init_from": "none",
    "steps": 2,
    "batch": 2,
    "validate_every": 2,
    "precision": "32-true",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "STEPS", 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_large_defects_leave_an_upsampler_with_a_card_and_a_sheet(tmp_path: Path, channels: int) -> None:
    spec, out = write_product(tmp_path, channels=channels), tmp_path / "upsample"
    digest = train_upsampler(out, tmp_path / "ingest", tmp_path / "patch", 0, **TINY)
    checkpoint = load_checkpoint(out / CHECKPOINT)
    assert checkpoint.digest == digest
    assert checkpoint.spec.upsampled and checkpoint.spec.channels == channels and checkpoint.spec.classes == CLASSES
    assert 0 < checkpoint.spec.sigma_data == checkpoint.denoiser.sigma_data != spec.sigma_data, "that of the detail"
    assert [path.name for path in (out / "samples").iterdir()] == ["step-000002.png"]
    card = (out / CHECKPOINT / "MODEL_CARD.md").read_text()
    assert card.startswith("# Defect upsampler\n") and "at step 2" in card
    assert "2 steps of 2 crops, 0.3 of them drawn" in card
    assert all(torch.isfinite(value).all() for value in checkpoint.denoiser.state_dict().values())
    validated = [name for name in read_curves(out / "curves.jsonl") if name.startswith("val/loss_sigma")]
    assert len(validated) == 5, "every level of the held-out regions"


def test_it_starts_from_the_prior_with_the_priors_scale(tmp_path: Path) -> None:
    spec, taught = write_product(tmp_path), DataSpec(3, ["good", "defect"], 0.45, 128, upsampled=True)
    torch.manual_seed(5)
    denoiser = Denoiser(TINY["network"](taught), EDM(), taught.sigma_data)
    for parameter in denoiser.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_checkpoint(tmp_path / "prior", denoiser, Cosine(shift=4.0), taught, "32-true", "# Prior")
    unmoved = {"init_from": tmp_path / "prior", "learning_rate": 1e-12, "warmup": 0}
    train_upsampler(tmp_path / "upsample", tmp_path / "ingest", tmp_path / "patch", 0, **(TINY | unmoved))
    trained = load_checkpoint(tmp_path / "upsample" / CHECKPOINT)
    assert trained.spec.sigma_data == trained.denoiser.sigma_data == taught.sigma_data != spec.sigma_data
    own = replace(spec, upsampled=True)
    expected = started(TINY["network"](own), EDM(), own, tmp_path / "prior", "train.upsample").state_dict()
    torch.testing.assert_close(trained.denoiser.state_dict(), expected)


def test_the_same_seed_trains_the_same_and_drawings_teach_something_else(tmp_path: Path) -> None:
    write_product(tmp_path)

    def digest(name: str, **settings: Any) -> str:
        return train_upsampler(tmp_path / name, tmp_path / "ingest", tmp_path / "patch", 0, **TINY | settings)

    assert digest("one", drawn_share=0.5) == digest("again", drawn_share=0.5) != digest("own", drawn_share=0.0)


def test_a_product_without_large_defects_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_product(tmp_path, largest=127)
    assert train_upsampler(tmp_path / "upsample", tmp_path / "ingest", tmp_path / "patch", 0, **TINY) == ""
    assert not (tmp_path / "upsample" / CHECKPOINT).exists()
    assert "no training defect lies in a region of 128 px or more" in capsys.readouterr().out
