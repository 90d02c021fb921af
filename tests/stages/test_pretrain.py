"""pretrain: a few steps give a checkpoint that a product's training starts from; killed, it goes on."""

from pathlib import Path

import pytest

from defectgen import lock
from defectgen.cli import main
from defectgen.learn import preview as learn_preview
from defectgen.learn.checkpoint import CHECKPOINT, load_checkpoint
from defectgen.learn.drawn import CLASSES
from defectgen.stages import pretrain as module


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 2)
    monkeypatch.setattr(module, "SHOWN", 20)
    monkeypatch.setattr(module, "COLUMNS", 1)
    monkeypatch.setattr(learn_preview, "STEPS", 1)


def pretrain(out: Path, steps: int = 2) -> int:
    return main(
        [
            "pretrain",
            "--out",
            str(out),
            "--steps",
            str(steps),
            "--batch",
            "2",
            "--learning_rate",
            "1e-3",
            "--validate_every",
            "1",
        ]
    )


def test_it_leaves_a_checkpoint_in_bfloat16_with_a_card_and_pictures(tmp_path: Path) -> None:
    assert pretrain(tmp_path / "prior") == 0
    folder = tmp_path / "prior" / CHECKPOINT
    checkpoint = load_checkpoint(folder)
    assert checkpoint.spec.classes == CLASSES and checkpoint.spec.channels == 3
    values = sum(parameter.numel() for parameter in checkpoint.denoiser.parameters())
    assert (folder / "weights.safetensors").stat().st_size < 2.1 * values
    card = (folder / "MODEL_CARD.md").read_text()
    assert "defectgen pretrain --steps 2 --batch 2" in card and "| 2 |" in card
    assert (tmp_path / "prior" / "lessons.png").is_file()
    assert len(list((tmp_path / "prior" / "samples").glob("*.png"))) == 2


def test_finished_and_started_again_it_keeps_its_weights(tmp_path: Path) -> None:
    pretrain(tmp_path)
    first = load_checkpoint(tmp_path / CHECKPOINT).digest
    pretrain(tmp_path)
    assert load_checkpoint(tmp_path / CHECKPOINT).digest == first


def test_two_cannot_teach_into_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock.writing(tmp_path, tmp_path / "prior", "the other"):
        assert pretrain(tmp_path / "prior") == 2
    assert "is in use by" in capsys.readouterr().err


def test_other_settings_start_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(tmp_path)
    capsys.readouterr()
    pretrain(tmp_path, steps=1)
    assert "starting over: steps changed" in capsys.readouterr().out
