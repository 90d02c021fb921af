"""A tiny training, what interrupts it, and a diary of what it did."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import default_collate

from defectgen.diffusion.denoise import Denoiser, MinSNR, V
from defectgen.diffusion.noise import Cosine
from defectgen.learn.callbacks import ExponentialAverage, read_curves
from defectgen.learn.data import PatchData, TrainingExamples, ValidationExamples
from defectgen.learn.fit import fit
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches
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


class Training:
    """One training in a folder of its own, always from the same first weights."""

    def __init__(self, small: tuple[Patches, Patches], folder: Path) -> None:
        self.small, self.folder = small, folder

    def prepare(
        self, steps: int = STEPS, batch: int = BATCH, validated: bool = True
    ) -> tuple[DiffusionModule, PatchData]:
        torch.manual_seed(0)
        denoiser = Denoiser(UNet(SMALL, width=8, multipliers=(1,), patch_size=1), V(), SMALL.sigma_data)
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
