"""PictureClassifier: tells the class of a whole picture, and, while it learns, where in the picture it sees that."""

from torch import Tensor, nn

from defectgen.nn.classifier import Classifier
from defectgen.nn.layers import standardised
from defectgen.spec import DataSpec


class PictureClassifier(nn.Module):
    """A classifier of standardised pictures whose features also tell the class of each cell; 0.3 M parameters.

    Told only what a picture is called, it learns the few defective pictures by their backgrounds. Told where the
    defect is, it has to look there.

    Args:
        spec: channels and classes of the data.
        width: channels at the finest resolution, a quarter of the picture's.
    """

    def __init__(self, spec: DataSpec, width: int = 24) -> None:
        super().__init__()
        self.body = Classifier(spec, width, patch_size=4)
        self.cells = nn.Conv2d(width * self.body.multipliers[-1], len(spec.classes), 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, S, S) in [-1, 1], S a multiple of 16, to the logits (B, classes)."""
        return self.localised(x)[0]

    def localised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the logits of each cell, (B, classes, S / 16, S / 16)."""
        features = self.body.features(standardised(x))
        return self.body.called(features), self.cells(features)
