"""pretrain: a few steps give a checkpoint that a product's training starts from; killed, it goes on."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from defectgen import lock
from defectgen.cli import main
from defectgen.diffusion.denoise import EDM
from defectgen.learn import preview, taught
from defectgen.learn.checkpoint import CHECKPOINT, load_checkpoint
from defectgen.learn.drawn import CLASSES
from defectgen.learn.module import DiffusionModule
from defectgen.learn.prior import first_weights
from defectgen.nn.efficient import EfficientUNet
from defectgen.spec import DataSpec
from defectgen.stages import pretrain as module

each_task = pytest.mark.parametrize("task", ["inpaint64", "upsample256"])


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taught, "HELD", 2)
    monkeypatch.setattr(taught, "ENLARGED", 1)
    monkeypatch.setattr(taught, "COLUMNS", 1)
    monkeypatch.setattr(module, "SHOWN", 4)
    monkeypatch.setattr(preview, "STEPS", 1)


def pretrain(out: Path, task: str = "inpaint64", steps: int = 2, seed: int = 0) -> int:
    settings = {"task": task, "steps": steps, "batch": 2, "learning_rate": 1e-3, "seed": seed, "validate_every": 1}
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return main(["pretrain", "--out", str(out), *words])


def digest(out: Path) -> str:
    return load_checkpoint(out / CHECKPOINT).digest


@each_task
def test_it_leaves_a_checkpoint_in_bfloat16_with_a_card_and_pictures(tmp_path: Path, task: str) -> None:
    assert pretrain(tmp_path / "prior", task) == 0
    folder = tmp_path / "prior" / CHECKPOINT
    checkpoint = load_checkpoint(folder)
    assert checkpoint.spec.channels == 3 and checkpoint.spec.upsampled == (task == "upsample256")
    assert checkpoint.spec.classes == (["good", "defect"] if checkpoint.spec.upsampled else CLASSES)
    values = sum(parameter.numel() for parameter in checkpoint.denoiser.parameters())
    assert (folder / "weights.safetensors").stat().st_size < 2.1 * values
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"# Prior: {task}" in card and "| 2 |" in card
    assert (tmp_path / "prior" / "lessons.png").is_file()
    assert len(list((tmp_path / "prior" / "samples").glob("*.png"))) == 2


@each_task
def test_the_command_on_its_card_makes_it_again(tmp_path: Path, task: str) -> None:
    pretrain(tmp_path / "one", task, seed=20261121)
    card = (tmp_path / "one" / CHECKPOINT / "MODEL_CARD.md").read_text()
    command = card.partition("made again by `")[2].partition("`")[0]
    assert f"--task {task}" in command and "--validate_every 1" in command
    assert main([*shlex.split(command)[1:], "--out", str(tmp_path / "again")]) == 0
    assert digest(tmp_path / "again") == digest(tmp_path / "one")


@each_task
def test_killed_and_started_again_it_goes_on(tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrain(tmp_path / "whole", task, steps=3)
    done = []
    step = DiffusionModule.training_step

    class Killed(BaseException):
        """Not an error anyone would catch."""

    def noted(self: DiffusionModule, *given: Any) -> torch.Tensor:
        done.append(self.trainer.global_step)
        if done == [0, 1, 2]:
            raise Killed
        return step(self, *given)

    monkeypatch.setattr(DiffusionModule, "training_step", noted)
    with pytest.raises(Killed):
        pretrain(tmp_path / "killed", task, steps=3)
    assert pretrain(tmp_path / "killed", task, steps=3) == 0
    assert done == [0, 1, 2, 2], "the steps before are not done again"
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")


def test_a_products_upsampler_starts_from_what_is_taught(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(tmp_path, "upsample256")
    assert f"set train.upsample.init_from: {tmp_path / CHECKPOINT}" in capsys.readouterr().out
    spec = DataSpec(1, ["good", "pit", "scratch"], 0.2, 128, upsampled=True)
    denoiser = first_weights(EfficientUNet(spec), EDM(), spec, tmp_path / CHECKPOINT, "train.upsample")
    assert denoiser.sigma_data == taught.SIGMA_DETAIL != spec.sigma_data


def test_finished_and_started_again_it_keeps_its_weights(tmp_path: Path) -> None:
    pretrain(tmp_path)
    first = digest(tmp_path)
    pretrain(tmp_path)
    assert digest(tmp_path) == first


def test_two_cannot_teach_into_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock.writing(tmp_path, tmp_path / "prior", "the other"):
        assert pretrain(tmp_path / "prior") == 2
    assert "is in use by" in capsys.readouterr().err


def test_other_settings_start_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(tmp_path)
    capsys.readouterr()
    pretrain(tmp_path, steps=1)
    assert "starting over: steps changed" in capsys.readouterr().out
