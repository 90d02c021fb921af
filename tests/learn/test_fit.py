"""A training learns, is averaged as promised, keeps its best weights, and a killed one ends where a whole one does."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import default_collate

from defectgen.diffusion.denoise import Denoiser, MinSNR, V
from defectgen.diffusion.noise import Cosine
from defectgen.learn.callbacks import ExponentialAverage, SampleSheet, read_curves
from defectgen.learn.data import PatchData, Patches, TrainingExamples, ValidationExamples
from defectgen.learn.fit import fit, steps_for
from defectgen.learn.module import DiffusionModule
from defectgen.manifest import Manifest
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

SMALL = DataSpec(1, ["good", "pit", "scratch"], 0.3, 16, ["horizontal"])
BATCH, STEPS, EVERY = 4, 8, 2
Weights = dict[str, Tensor]


class Killed(BaseException):
    """Not an error anyone would catch."""


class KillAfter(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *rest: Any) -> None:
        if trainer.global_step == self.step:
            raise Killed


class Diary(Callback):
    """What each step began with and left behind."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.levels: list[list[float]] = []
        self.weights: list[Weights] = []

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, index: int) -> None:
        self.began.append(trainer.global_step)
        self.levels.append(batch["uniform"].tolist())

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *rest: Any) -> None:
        self.weights.append(weights_of(module))


class SpoilFrom(Callback):
    """Every step from this one on makes the network worse."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *rest: Any) -> None:
        if trainer.global_step >= self.step:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.add_(0.5)


@pytest.fixture(scope="module")
def small(manifest: Manifest, spec: DataSpec) -> tuple[Patches, Patches]:
    """The drawn patches of train and val at 16 px."""
    both = Patches(manifest, spec, "train"), Patches(manifest, spec, "val")
    for patches in both:
        patches.pictures = [picture.reshape(1, 16, 4, 16, 4).mean(axis=(2, 4)) for picture in patches.pictures]
        patches.masks = {n: mask.reshape(16, 4, 16, 4).max(axis=(1, 3)) for n, mask in patches.masks.items()}
    return both


class Training:
    """One training in a folder of its own, always from the same first weights."""

    def __init__(self, small: tuple[Patches, Patches], folder: Path) -> None:
        self.small, self.folder = small, folder

    def prepare(
        self, steps: int = STEPS, batch: int = BATCH, validated: bool = True
    ) -> tuple[DiffusionModule, PatchData]:
        torch.manual_seed(0)
        denoiser = Denoiser(UNet(SMALL, width=8, multipliers=(1,), patch_size=1), V())
        module = DiffusionModule(denoiser, Cosine(), MinSNR(), classes=3, learning_rate=0.01, warmup=2, steps=steps)
        train, held_out = self.small
        validation = ValidationExamples(held_out, SMALL, 1, seed=3) if validated else None
        return module, PatchData(TrainingExamples(train, SMALL, steps * batch, 0.35, 0.1, seed=3), validation, batch)

    def run(
        self,
        *callbacks: Callback,
        every: int = EVERY,
        precision: Any = "32-true",
        decay: float = 0.9,
        **prepared: Any,
    ) -> DiffusionModule:
        module, data = self.prepare(**prepared)
        fit(module, data, self.folder, every, precision, [*callbacks, ExponentialAverage(decay)])
        return module

    def validate(self, module: DiffusionModule) -> Tensor:
        """The loss of every validation example."""
        examples = self.prepare()[1].validation
        assert examples
        with torch.no_grad():
            return module.loss(default_collate([examples[index] for index in range(len(examples))]))

    def curve(self, name: str = "val/loss") -> dict[int, float]:
        return read_curves(self.folder / "curves.jsonl")[name]


class Whole(NamedTuple):
    """A training nobody interrupted."""

    diary: Diary
    weights: Weights


@pytest.fixture(scope="module")
def whole(small: tuple[Patches, Patches], tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Whole]:
    """One with validation patches, one without: they keep their best and their last weights."""
    runs = {}
    for validated in (True, False):
        diary = Diary()
        module = Training(small, tmp_path_factory.mktemp("whole")).run(diary, validated=validated)
        runs[validated] = Whole(diary, weights_of(module))
    return runs


@pytest.fixture
def training(small: tuple[Patches, Patches], tmp_path: Path) -> Training:
    return Training(small, tmp_path)


def weights_of(module: LightningModule) -> Weights:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def assert_same(one: LightningModule | Weights, other: LightningModule | Weights) -> None:
    first, second = (weights_of(each) if isinstance(each, LightningModule) else each for each in (one, other))
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def assert_close(one: Weights, other: Weights) -> None:
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-7)


def averages(steps: Sequence[Weights], decay: float) -> Iterator[Weights]:
    """The running average after each step, by its formula; it begins with the first step's weights."""
    average = steps[0]
    yield average
    for n, weights in enumerate(steps[1:], start=1):
        keep = min(decay, (1 + n) / (10 + n))
        average = {name: keep * average[name] + (1 - keep) * value for name, value in weights.items()}
        yield average


def test_training_learns(training: Training) -> None:
    before = training.validate(training.prepare()[0]).mean()
    module = training.run(steps=30, batch=8, every=15)
    assert training.validate(module).mean() < 0.5 * before


def test_every_example_is_trained_on_once_and_in_order(training: Training, whole: dict[bool, Whole]) -> None:
    examples = training.prepare()[1].train
    expected = [float(examples[index]["uniform"]) for index in range(STEPS * BATCH)]
    for diary, _ in whole.values():
        assert [level for step in diary.levels for level in step] == expected


@pytest.mark.parametrize("validated", [True, False])
def test_killed_training_ends_with_the_weights_of_a_whole_one(
    training: Training, whole: dict[bool, Whole], validated: bool
) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(5), validated=validated)
    rest, (diary, weights) = Diary(), whole[validated]
    assert_same(training.run(rest, validated=validated), weights)
    done = rest.began[0]
    assert 0 < done <= 4, "it goes on from a checkpoint"
    assert rest.began == diary.began[done:] and rest.levels == diary.levels[done:], "with the next examples"
    for mine, theirs in zip(rest.weights, diary.weights[done:], strict=True):
        assert_same(mine, theirs)


def test_training_killed_between_checkpoints_goes_on_from_the_last_one(training: Training) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(5), validated=False)
    rest = Diary()
    training.run(rest, validated=False)
    assert rest.began == [4, 5, 6, 7]


def test_training_killed_before_the_first_checkpoint_starts_anew(training: Training, whole: dict[bool, Whole]) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(1))
    assert_same(training.run(), whole[True].weights)


def test_finished_training_is_not_trained_again(training: Training, whole: dict[bool, Whole]) -> None:
    """Killed after the last step, before the checkpoint folder was written."""
    training.run()
    again = Diary()
    assert_same(training.run(again), whole[True].weights)
    assert again.began == []


def test_weights_of_the_lowest_validation_loss_are_kept(training: Training) -> None:
    module = training.run(SpoilFrom(5))
    curve = list(training.curve().values())
    assert min(curve) < min(curve[2:]), "the later ones are worse"
    assert float(training.validate(module).mean()) == pytest.approx(min(curve), rel=1e-4)


def test_best_weights_from_before_the_kill_are_kept(training: Training) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(7), SpoilFrom(5))
    module = training.run(SpoilFrom(5))
    assert float(training.validate(module).mean()) == pytest.approx(min(training.curve().values()), rel=1e-4)


@pytest.mark.parametrize("every", [3, 100])
def test_without_validation_the_last_weights_are_kept(training: Training, whole: dict[bool, Whole], every: int) -> None:
    """Wherever the last checkpoint fell."""
    assert_same(training.run(every=every, validated=False), whole[False].weights)


def test_averaged_weights_follow_the_ramp(whole: dict[bool, Whole]) -> None:
    diary, weights = whole[False]
    *_, expected = averages(diary.weights, 0.9)
    assert_close(weights, expected)
    assert any(not torch.allclose(value, diary.weights[-1][name]) for name, value in weights.items())


def test_average_decays_no_slower_than_asked(training: Training) -> None:
    diary = Diary()
    module = training.run(diary, decay=0.25, validated=False)
    *_, expected = averages(diary.weights, 0.25)
    assert_close(weights_of(module), expected)


def test_sample_sheets_are_drawn_with_the_averaged_weights(training: Training) -> None:
    diary, drawn = Diary(), dict[str, Weights]()
    sheets = SampleSheet(training.folder, lambda module, path: drawn.update({path.name: weights_of(module)}))
    training.run(diary, sheets)
    expected = list(averages(diary.weights, 0.9))
    assert list(drawn) == [f"step-{step:06d}.png" for step in (2, 4, 6, 8)]
    for step, weights in zip((2, 4, 6, 8), drawn.values(), strict=True):
        assert_close(weights, expected[step - 1])


def test_validation_loss_is_logged_whole_and_for_each_level(training: Training) -> None:
    module = training.run(every=STEPS)
    losses = training.validate(module).reshape(-1, 5).mean(dim=0)  # the levels come in turn
    assert list(training.curve().values()) == pytest.approx([float(losses.mean())], rel=1e-4)
    names = [name for name in read_curves(training.folder / "curves.jsonl") if name.startswith("val/loss_sigma_")]
    assert [float(name.removeprefix("val/loss_sigma_")) for name in names] == pytest.approx(
        Cosine().sigma(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])).tolist(), rel=0.01
    )
    assert [training.curve(name).popitem()[1] for name in names] == pytest.approx(losses.tolist(), rel=1e-4)


def test_weights_stay_in_float32_when_the_network_computes_in_bfloat16(training: Training) -> None:
    module = training.run(steps=2, precision="bf16-mixed")
    assert {value.dtype for value in weights_of(module).values()} == {torch.float32}
    assert training.validate(module).isfinite().all()


def test_minutes_become_steps_once_and_leave_the_network_as_it_was(training: Training) -> None:
    module, data = training.prepare()
    first, memory = weights_of(module), training.folder / "steps.json"
    steps = steps_for(0.01, module, data, "32-true", memory)
    assert steps >= 1
    assert_same(module, first)
    assert all(parameter.grad is None for parameter in module.parameters())
    assert steps_for(0.01, module, PatchData(data.train, None, 10**9), "32-true", memory) == steps, "remembered"
