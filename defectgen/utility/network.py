"""Training of the detectors that are a torch network: AdamW, warm-up and cosine decay, resumed where it was killed."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import lightning
import numpy as np
import torch
from jsonargparse.typing import PositiveFloat, PositiveInt
from numpy.typing import NDArray
from torch import Tensor, nn

from defectgen.errors import UserError
from defectgen.learn.data import PatchData
from defectgen.learn.fit import fit
from defectgen.spec import DataSpec
from defectgen.utility.detector import Detector, Stream, Trained
from defectgen.utility.draws import Example
from defectgen.utility.types import Picture, Prediction

SIZES, MULTIPLE = (64, 512), 16  # of S in pixels: smallest and largest, and what it is a multiple of
WARMUP = 0.1  # share of the steps in which the learning rate rises
SAVINGS = 4  # how often a training is saved, to go on from there
CHUNK = 32  # pictures looked at at a time

Loss = Callable[[nn.Module, Example], Tensor]  # network and batch to a scalar


class NetworkDetector(Detector):
    """A detector that is one network.

    Args:
        steps: optimiser steps.
        batch: pictures in a step.
        learning_rate: the highest, after warm-up.
        width: channels of the network at its finest resolution.
    """

    def __init__(
        self, steps: PositiveInt, batch: PositiveInt, learning_rate: PositiveFloat, width: PositiveInt
    ) -> None:
        self.steps, self.batch, self.learning_rate, self.width = steps, batch, learning_rate, width

    @abstractmethod
    def network(self, spec: DataSpec) -> nn.Module:
        """A network with fresh weights, (B, C, S, S) in [-1, 1] to the logits (B, K, ...)."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Example) -> Tensor:
        """The mean loss of a batch."""

    @abstractmethod
    def prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        """What the probabilities (N, K, ...) of all pictures say."""

    def train(self, stream: Stream, spec: DataSpec, seed: int, folder: Path) -> Trained:
        """See `Detector`; a killed training goes on from folder/resume.

        Raises:
            UserError: pictures of a size the networks are not made for, or files to go on from that are damaged.
        """
        _check_size(spec.size)
        data = PatchData(stream(self.steps * self.batch), None, self.batch)
        with torch.random.fork_rng():
            torch.manual_seed(seed % 2**63)
            network = self.network(spec)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
            # Plain numbers: a checkpoint must not hold the checked ones that the parser makes.
            module = _Module(network, self.loss, self.name, float(self.learning_rate), int(self.steps))
            fit(module, data, folder, max(1, self.steps // SAVINGS), "32-true", [])
        return _TrainedNetwork(network.eval(), self.prediction)


def _check_size(size: int) -> None:
    smallest, largest = SIZES
    if not smallest <= size <= largest or size % MULTIPLE:
        nearest = min(range(smallest, largest + 1, MULTIPLE), key=lambda side: abs(side - size))
        raise UserError(
            f"evaluate: pictures of {size} px: the detectors take {smallest} to {largest} px in steps of {MULTIPLE}; "
            f"use {nearest}"
        )


class _Module(lightning.LightningModule):
    """The network with its loss, as Lightning trains it."""

    def __init__(self, network: nn.Module, loss: Loss, name: str, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.network, self.loss, self.name = network, loss, name
        self.learning_rate, self.steps = learning_rate, steps

    def training_step(self, batch: Example, index: int) -> Tensor:
        loss = self.loss(self.network, batch)
        self.log(f"{self.name}/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> dict:  # type: ignore[override]  # Lightning's own type is a union of nine forms
        optimizer = torch.optim.AdamW(self.network.parameters(), self.learning_rate, weight_decay=0.05)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Share of the learning rate: up linearly, then half a cosine down to nothing, so that the end is calm."""
        rise = max(1.0, WARMUP * self.steps)
        return min((step + 1) / rise, 0.5 + 0.5 * math.cos(math.pi * step / self.steps))


class _TrainedNetwork(Trained):
    """A network in evaluation mode, and how its probabilities are told."""

    def __init__(self, network: nn.Module, prediction: Callable[[NDArray[np.float32]], Prediction]) -> None:
        self.network, self.prediction = network, prediction

    @torch.no_grad()
    def predict(self, pictures: Sequence[Picture]) -> Prediction:
        device = next(self.network.parameters()).device
        chunks = [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
        batches = (torch.from_numpy(np.stack([picture.pixels for picture in chunk])) for chunk in chunks)
        probabilities = [self.network(batch.to(device)).softmax(dim=1).cpu().numpy() for batch in batches]
        return self.prediction(np.concatenate(probabilities))
