"""PixelSegmenter: the detector that tells the class of every pixel."""

import numpy as np
import torch
from jsonargparse.typing import PositiveFloat, PositiveInt
from numpy.typing import NDArray
from torch import Tensor, nn

from defectgen.nn.segmenter import Segmenter
from defectgen.spec import DataSpec
from defectgen.utility.draws import Example
from defectgen.utility.network import NetworkDetector
from defectgen.utility.types import UNKNOWN, Prediction


class PixelSegmenter(NetworkDetector):
    """A small U-Net on whole pictures."""

    def __init__(
        self,
        steps: PositiveInt = 250,
        batch: PositiveInt = 16,
        learning_rate: PositiveFloat = 1e-3,
        width: PositiveInt = 24,
    ) -> None:
        super().__init__(steps, batch, learning_rate, width)

    def network(self, spec: DataSpec) -> nn.Module:
        return Segmenter(spec, self.width)

    def loss(self, logits: Tensor, batch: Example) -> Tensor:
        """Half the mean over the good pixels, half that over the defects, each mean taken picture by picture first.

        A defect is a hundredth of its picture: among all pixels it would not count, and among all defect pixels of a
        batch the widest defect would be most of them.
        """
        losses = _pixel_losses(logits, batch["classes"])
        defect = batch["classes"] != 0
        return (_mean_within(losses, ~defect) + _mean_within(losses, defect)) / 2

    def prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        return Prediction(maps=probabilities)


def _pixel_losses(logits: Tensor, classes: Tensor) -> Tensor:
    """Minus the logarithm of the probability of each pixel's class, of any defect where it is UNKNOWN: (B, S, S)."""
    chances = logits.log_softmax(dim=1)
    unknown = classes == UNKNOWN
    named = chances.gather(1, classes.masked_fill(unknown, 0)[:, None])[:, 0]
    return -torch.where(unknown, chances[:, 1:].logsumexp(dim=1), named)


def _mean_within(losses: Tensor, mask: Tensor) -> Tensor:
    """The mean over the masked pixels of each picture that has any, then over those pictures; 0 if none has."""
    area = mask.sum(dim=(1, 2))
    means = (losses * mask).sum(dim=(1, 2)) / area.clamp(min=1)
    return means.sum() / (area > 0).sum().clamp(min=1)
