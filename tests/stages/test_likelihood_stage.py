"""train.likelihood: what it leaves behind, and that a killed training ends where an undisturbed one does."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from defectgen import tracking
from defectgen.diffusion.noise import Cosine
from defectgen.learn.callbacks import read_curves
from defectgen.learn.checkpoint import CARD, CHECKPOINT, CONFIG
from defectgen.learn.data import Example
from defectgen.learn.likelihood import LikelihoodModule, load_likelihood
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec
from defectgen.stages.likelihood import VALIDATIONS, accuracies, train_likelihood

STEPS = VALIDATIONS
TINY: dict[str, Any] = {"steps": STEPS, "batch": 2}


@pytest.fixture(autouse=True)
def _untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "log_data_set", lambda *told: None)


@pytest.fixture(scope="module")
def patches(manifest: Manifest, spec: DataSpec) -> Path:
    spec.save(manifest.folder)
    return manifest.folder


@pytest.fixture(scope="module")
def undisturbed(patches: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The stage's folder after a tiny training, and the digest it returned."""
    out = tmp_path_factory.mktemp("likelihood")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracking, "log_data_set", lambda *told: None)
        return out, train_likelihood(out, patches, 0, **TINY)


def test_it_leaves_a_likelihood_with_a_card(undisturbed: tuple[Path, str], spec: DataSpec) -> None:
    folder = undisturbed[0] / CHECKPOINT
    likelihood = load_likelihood(folder).likelihood
    assert likelihood.sigma_data == spec.sigma_data
    assert all(value.isfinite().all() for value in likelihood.state_dict().values())
    card = (folder / CARD).read_text()
    assert card.startswith("# Likelihood of defect classes\n") and f"{STEPS} steps of 2 patches, seed 0" in card
    assert accuracies(undisturbed[0] / "curves.jsonl") in card
    config = yaml.safe_load((folder / CONFIG).read_text())
    assert config["weights_sha256"] == undisturbed[1] and config["schedule"]["class_path"].endswith(".Karras")
    assert not list(folder.glob("*.ckpt"))


def test_it_tells_how_often_it_is_right_at_each_level_of_noise(undisturbed: tuple[Path, str]) -> None:
    curves = read_curves(undisturbed[0] / "curves.jsonl")
    levels = [name for name in curves if name.startswith("val/accuracy_sigma_")]
    assert len(levels) == 5 and len(curves["val/loss"]) == VALIDATIONS
    best = min(curves["val/loss"], key=lambda step: curves["val/loss"][step])
    mean = sum(curves[level][best] for level in levels) / 5
    assert math.isclose(mean, curves["val/accuracy"][best], abs_tol=1e-6)
    told = accuracies(undisturbed[0] / "curves.jsonl").split(", ")
    sigmas = [float(words.rpartition(" ")[2]) for words in told]
    assert sigmas == sorted(sigmas) and float(told[0].split()[0]) == round(curves[levels[0]][best], 2)


def test_without_held_out_patches_accuracy_is_not_measured(tmp_path: Path) -> None:
    assert "not measured" in accuracies(tmp_path / "curves.jsonl")


def test_the_schedule_is_a_setting_and_counts(undisturbed: tuple[Path, str], patches: Path, tmp_path: Path) -> None:
    other = train_likelihood(tmp_path, patches, 0, schedule=Cosine(), **TINY)
    assert other != undisturbed[1]
    config = yaml.safe_load((tmp_path / CHECKPOINT / CONFIG).read_text())
    assert config["schedule"]["class_path"].endswith(".Cosine")


def test_a_killed_training_ends_with_the_same_weights(
    undisturbed: tuple[Path, str], patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = LikelihoodModule.training_step, list[list[float]]()

    def counted(module: LikelihoodModule, batch: Example, index: int) -> torch.Tensor:
        seen.append(batch["uniform"].tolist())
        if len(seen) == STEPS // 2:
            raise RuntimeError("killed")
        return step(module, batch, index)

    monkeypatch.setattr(LikelihoodModule, "training_step", counted)
    with pytest.raises(RuntimeError, match="killed"):
        train_likelihood(tmp_path, patches, 0, **TINY)
    killed = list(seen)
    assert train_likelihood(tmp_path, patches, 0, **TINY) == undisturbed[1]
    assert seen[len(killed)] == killed[-1], "from the example at which it was killed"
    assert len(seen) == STEPS + 1


def test_a_finished_training_is_not_trained_again(
    undisturbed: tuple[Path, str], patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LikelihoodModule, "training_step", lambda *arguments: pytest.fail("trained again"))
    assert train_likelihood(undisturbed[0], patches, 0, **TINY) == undisturbed[1]
