"""The likelihood of labels: how its network is trained on noisy patches, and its folder."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import yaml
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import noised
from defectgen.diffusion.likelihood import LearnedLikelihood, Likelihood, Renumbered
from defectgen.diffusion.noise import Schedule
from defectgen.learn.checkpoint import CONFIG, build, describe, load_weights, usable, write_network
from defectgen.learn.data import Example
from defectgen.learn.module import LevelModule, inpainting_of
from defectgen.nn.noisy import NoisyClassifier
from defectgen.spec import DataSpec


class LikelihoodModule(LevelModule):
    """A likelihood, trained by cross-entropy on patches with noisy regions (Dhariwal & Nichol 2021, sec. 4).

    Args:
        likelihood: what is trained.
        schedule: noise levels of training.
        classes: number of classes.
        learning_rate: of AdamW, at its highest.
        warmup: steps of linear warm-up.
        steps: steps in all, for the decay to a tenth.
    """

    def __init__(
        self,
        likelihood: LearnedLikelihood,
        schedule: Schedule,
        *,
        classes: int,
        learning_rate: float,
        warmup: int,
        steps: int,
    ) -> None:
        super().__init__(schedule, learning_rate=learning_rate, warmup=warmup, steps=steps)
        self.likelihood, self.classes = likelihood, classes

    def loss(self, batch: Example) -> Tensor:
        """Cross-entropy of each example, (B,)."""
        return -self.likelihood(*self._shown(batch))

    def judge(self, batch: Example) -> dict[str, Tensor]:
        """The same, and whether the class that it finds likeliest is the right one."""
        said = self.likelihood.logits(*self._shown(batch)).argmax(dim=1)
        return super().judge(batch) | {"accuracy": (said == batch["label"]).float()}

    def _shown(self, batch: Example) -> tuple[Tensor, Tensor, Condition]:
        sigma, cond = self.schedule.draw(batch["uniform"]), inpainting_of(batch, self.classes)
        return noised(batch["x0"], batch["noise"], sigma, cond), sigma, cond


def save_likelihood(folder: Path, likelihood: LearnedLikelihood, schedule: Schedule, spec: DataSpec, card: str) -> str:
    """Write the folder and return the weights' SHA-256."""
    config = {"network": describe(likelihood.network), "schedule": describe(schedule), "spec": asdict(spec)}
    return write_network(folder, likelihood, config, card)


def load_likelihood(folder: Path, classes: Sequence[str]) -> Likelihood:
    """Rebuild the likelihood of a folder, in evaluation mode on the CPU, for conditions that number `classes`.

    An inpainter may know more of them, from an earlier training.

    Raises:
        UserError: a file is missing, damaged, or the weights are not those the config names.
    """
    with usable(folder):
        config = yaml.safe_load((folder / CONFIG).read_text())
        spec = DataSpec(**config["spec"])
        likelihood = LearnedLikelihood(build(config["network"], NoisyClassifier, spec), spec.sigma_data)
        load_weights(folder, likelihood, config)
        return Renumbered(likelihood, [spec.number(name) if name in spec.classes else None for name in classes])
