"""Training as `learn.fit` does it, with patches that are at hand and with patches that must be made first."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from defectgen.learn.data import PatchData, TrainingExamples
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches
from defectgen.learn.precision import Precision
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec
from defectgen.speed.recipe import Folders, Recipe
from defectgen.speed.stopwatch import Timed, count_flops


class TrainingStep:
    """Loss, gradient, clipping and optimiser for a batch."""

    def __init__(
        self,
        loss: Callable[[Any], Tensor],
        parameters: Iterable[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        precision: Precision,
    ) -> None:
        self.loss, self.parameters, self.optimizer = loss, list(parameters), optimizer
        self.half = precision == "bf16-mixed"

    def __call__(self, batch: Any) -> None:
        with torch.autocast(self.parameters[0].device.type, torch.bfloat16, enabled=self.half):
            loss = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def training(recipe: Recipe, folders: Folders, precision: Precision, device: torch.device) -> tuple[Timed, Timed]:
    """A step with the same batch again and again, and a step with the next batch of the loader; units are patches."""
    spec = DataSpec.load(folders.patch)
    denoiser = recipe.denoiser(spec)
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as the stage does; no stub
    module = DiffusionModule(
        denoiser,
        recipe.schedule,
        recipe.weighting,
        classes=len(spec.classes),
        learning_rate=recipe.learning_rate,
        warmup=1,
        steps=1,
    ).to(device)
    patches = Patches(Manifest.load(folders.patch), spec, "train")
    examples = TrainingExamples(patches, spec, sys.maxsize, recipe.good_share, recipe.label_dropout, seed=0)
    batches = iter(PatchData(examples, None, recipe.batch).train_dataloader())

    def load() -> Any:
        return module.transfer_batch_to_device(next(batches), device, 0)

    def loss(batch: Any) -> Tensor:
        return module.loss(batch).mean()

    same = load()
    flops = count_flops(lambda: loss(same).backward()) / recipe.batch
    step = TrainingStep(loss, denoiser.parameters(), module.configure_optimizers()["optimizer"], precision)
    return Timed(lambda: step(same), recipe.batch, flops), Timed(lambda: step(load()), recipe.batch, flops)
