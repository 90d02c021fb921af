"""ImageClassifier: the detector that tells the class of a whole picture, from which the study's verdict is read."""

import numpy as np
from jsonargparse.typing import PositiveFloat, PositiveInt
from numpy.typing import NDArray
from torch import Tensor, nn

from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec
from defectgen.utility.draws import Example
from defectgen.utility.network import NetworkDetector
from defectgen.utility.types import Prediction


class ImageClassifier(NetworkDetector):
    """A small residual network on whole pictures."""

    def __init__(
        self,
        steps: PositiveInt = 300,
        batch: PositiveInt = 32,
        learning_rate: PositiveFloat = 2.5e-4,
        width: PositiveInt = 24,
    ) -> None:
        super().__init__(steps, batch, learning_rate, width)

    def network(self, spec: DataSpec) -> nn.Module:
        return Classifier(spec, self.width, patch_size=4)

    def loss(self, logits: Tensor, batch: Example) -> Tensor:
        """Minus the logarithm of the probability that it is called by one of its names.

        With one name that is the cross entropy; a defect without a class teaches that it is some defect.
        """
        named = logits.masked_fill(~batch["named"], -np.inf)
        return (logits.logsumexp(dim=1) - named.logsumexp(dim=1)).mean()

    def prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        return Prediction(scores=probabilities)
