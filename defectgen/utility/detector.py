"""What a detector is to the study: it is trained on a stream of examples and then says what it sees in pictures.

A detector of your own is a subclass of `Detector` with a `train`, named in `evaluate.detectors` by its class path; its
constructor's arguments are its settings.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from defectgen.spec import DataSpec
from defectgen.utility.draws import Draws
from defectgen.utility.types import Picture, Prediction

Stream = Callable[[int], Draws]  # a number of examples to the arm's first so many


class Trained(ABC):
    """A detector after its training."""

    @abstractmethod
    def predict(self, pictures: Sequence[Picture]) -> Prediction:
        """What it says of N pictures; what it says of one does not depend on the others."""


class Detector(ABC):
    """How a detector is trained. Its settings are the same in every arm, and so are its optimiser steps.

    tells_classes: whether its predictions have scores, from which the verdict is read.
    """

    tells_classes: bool = True

    @property
    def name(self) -> str:
        """What tables and folders call it."""
        return type(self).__name__

    @property
    def settings(self) -> dict[str, object]:
        """The constructor's arguments, as far as they are kept in attributes of the same names."""
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    @abstractmethod
    def train(self, stream: Stream, spec: DataSpec, seed: int, folder: Path) -> Trained:
        """Train on as many examples as the settings ask for; equal arguments give equal predictions, bit for bit.

        Args:
            stream: gives the arm's first examples, as many as asked for.
            spec: channels and classes of the pictures; its size is their side S.
            seed: of the first weights and of everything random that is not in the examples.
            folder: where files may be kept, such as those a killed training goes on from.
        """
