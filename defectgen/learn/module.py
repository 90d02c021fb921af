"""How what works at every noise level is trained: LevelModule, and DiffusionModule for any denoiser of this house."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoiser, Weighting, denoising_loss
from defectgen.diffusion.noise import Schedule
from defectgen.learn.data import Example


def inpainting_of(batch: Example, classes: int) -> Condition:
    """The condition of a batch of training examples: what its task has given of the pictures, and what is told."""
    text, reference = tuple(batch["text"]), batch["reference"]
    return Condition(batch["context"], batch["region"], batch["label"], classes, text=text, reference=reference)


class LevelModule(lightning.LightningModule, ABC):
    """A schedule, a loss at its levels, and AdamW with warm-up and cosine decay.

    Args:
        schedule: noise levels of training.
        learning_rate: of AdamW, at its highest.
        warmup: steps of linear warm-up.
        steps: steps in all, for the decay to a tenth.
    """

    def __init__(self, schedule: Schedule, *, learning_rate: float, warmup: int, steps: int) -> None:
        super().__init__()
        self.schedule, self.learning_rate, self.warmup, self.steps = schedule, learning_rate, warmup, steps
        self._judged: list[dict[str, Tensor]] = []

    @abstractmethod
    def loss(self, batch: Example) -> Tensor:
        """Loss of each example, (B,)."""

    def judge(self, batch: Example) -> dict[str, Tensor]:
        """What validation tells of each example, by the figure's name, (B,) each; "loss" is one."""
        return {"loss": self.loss(batch)}

    def training_step(self, batch: Example, index: int) -> Tensor:
        loss = self.loss(batch).mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Example, index: int) -> None:
        figures = {"uniform": batch["uniform"]} | self.judge(batch)
        self._judged.append({name: each.cpu() for name, each in figures.items()})

    def on_validation_epoch_end(self) -> None:
        """Log the mean of each figure, and the one of each noise level."""
        figures = {name: torch.cat([part[name] for part in self._judged]) for name in self._judged[0]}
        self._judged.clear()
        uniform = figures.pop("uniform")
        for name, each in figures.items():
            for level in uniform.unique():
                sigma = float(self.schedule.draw(level[None]))
                self.log(f"val/{name}_sigma_{sigma:.3g}", each[uniform == level].mean())
            self.log(f"val/{name}", each.mean(), prog_bar=True)

    def learning(self) -> ParamsT:
        """What AdamW trains: parameters, or groups of them with settings of their own."""
        return self.parameters()

    def configure_optimizers(self) -> dict:  # type: ignore[override]  # Lightning's own type is a union of nine forms
        optimizer = torch.optim.AdamW(self.learning(), self.learning_rate, weight_decay=0.01)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Share of the learning rate: up linearly, then half a cosine down to a tenth."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return 0.55 + 0.45 * math.cos(math.pi * progress)


class DiffusionModule(LevelModule):
    """A denoiser and how its error is weighed.

    Args:
        denoiser: what is trained.
        schedule: noise levels of training.
        weighting: weight of the error at each level.
        classes: number of classes; the number after the last means "label dropped".
        learning_rate: of AdamW, at its highest.
        warmup: steps of linear warm-up.
        steps: steps in all, for the decay to a tenth.
        told: the condition of a batch, from it and the number of classes: what sets one task apart from another.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        schedule: Schedule,
        weighting: Weighting,
        *,
        classes: int,
        learning_rate: float,
        warmup: int,
        steps: int,
        told: Callable[[Any, int], Condition] = inpainting_of,
    ) -> None:
        super().__init__(schedule, learning_rate=learning_rate, warmup=warmup, steps=steps)
        self.denoiser, self.weighting, self.classes, self.told = denoiser, weighting, classes, told

    def loss(self, batch: Example) -> Tensor:
        """Masked loss of each example, (B,)."""
        sigma = self.schedule.draw(batch["uniform"])
        weight = self.weighting(sigma, self.denoiser.sigma_data)
        cond = self.told(batch, self.classes)
        return denoising_loss(self.denoiser, batch["x0"], batch["noise"], sigma, weight, cond)
