"""ImageClassifier: the detector that tells the class of a whole picture, from which the study's verdict is read."""

import numpy as np
from jsonargparse.typing import PositiveFloat, PositiveInt
from numpy.typing import NDArray
from torch import Tensor, nn

from defectgen.nn.picture import PictureClassifier
from defectgen.spec import DataSpec
from defectgen.utility.draws import Example
from defectgen.utility.losses import balanced, named_loss, names_of_places
from defectgen.utility.network import NetworkDetector
from defectgen.utility.types import Prediction


class ImageClassifier(NetworkDetector):
    """A small residual network on whole pictures."""

    def __init__(
        self,
        steps: PositiveInt = 600,
        batch: PositiveInt = 32,
        learning_rate: PositiveFloat = 5e-4,
        width: PositiveInt = 24,
    ) -> None:
        super().__init__(steps, batch, learning_rate, width)

    def network(self, spec: DataSpec) -> nn.Module:
        return PictureClassifier(spec, self.width)

    def loss(self, network: nn.Module, batch: Example) -> Tensor:
        """That of the picture's name, and that of the names of its cells."""
        assert isinstance(network, PictureClassifier)
        logits, cells = network.localised(batch["pixels"])
        named = names_of_places(batch["classes"], cells.shape[1], cells.shape[-1])
        return named_loss(logits, batch["named"]).mean() + balanced(named_loss(cells, named), ~named[:, 0])

    def prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        return Prediction(scores=probabilities)
