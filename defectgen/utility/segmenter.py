"""PixelSegmenter: the detector that tells the class of every pixel."""

import numpy as np
from jsonargparse.typing import PositiveFloat, PositiveInt
from numpy.typing import NDArray
from torch import Tensor, nn

from defectgen.nn.segmenter import Segmenter
from defectgen.spec import DataSpec
from defectgen.utility.draws import Example
from defectgen.utility.losses import balanced, named_loss, names_of_places
from defectgen.utility.network import NetworkDetector
from defectgen.utility.types import Prediction


class PixelSegmenter(NetworkDetector):
    """A small U-Net on whole pictures."""

    tells_classes = False

    def __init__(
        self,
        steps: PositiveInt = 400,
        batch: PositiveInt = 16,
        learning_rate: PositiveFloat = 1e-3,
        width: PositiveInt = 24,
    ) -> None:
        super().__init__(steps, batch, learning_rate, width)

    def network(self, spec: DataSpec) -> nn.Module:
        return Segmenter(spec, self.width)

    def loss(self, network: nn.Module, batch: Example) -> Tensor:
        """That of the names of its pixels."""
        logits = network(batch["pixels"])
        named = names_of_places(batch["classes"], logits.shape[1], logits.shape[-1])
        return balanced(named_loss(logits, named), ~named[:, 0])

    def prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        return Prediction(maps=probabilities)
