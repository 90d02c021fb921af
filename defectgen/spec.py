"""DataSpec: what a network must know about the data, measured by `patch` and read by everything after it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic
from defectgen.manifest import GOOD

FILE = "spec.yaml"


@dataclass(frozen=True)
class DataSpec:
    """Shapes and statistics of the training patches.

    channels: 1 (grey) or 3 (RGB).
    classes: label names in the order of their numbers; number 0 is "good", number len(classes) means "dropped".
    sigma_data: standard deviation of the patches' pixels, in units of [-1, 1].
    size: side of a patch in pixels.
    flips: symmetries the product has: "horizontal", "vertical", "transpose".
    upsampled: the networks raise the resolution: their context is the surroundings and, beside them, the
        low-resolution picture.
    """

    channels: int
    classes: list[str]
    sigma_data: float
    size: int
    flips: list[str] = field(default_factory=list)
    upsampled: bool = False

    @property
    def context(self) -> int:
        """Channels of the context a network sees: the surroundings, an upsampler also the low-resolution picture."""
        return self.channels * (2 if self.upsampled else 1)

    def number(self, label: str) -> int:
        """The class number of a label."""
        return self.classes.index(label)

    def save(self, folder: Path) -> None:
        """Write spec.yaml."""
        write_atomic(folder / FILE, yaml.safe_dump(asdict(self), sort_keys=False).encode())

    @classmethod
    def load(cls, folder: Path) -> "DataSpec":
        """Read spec.yaml.

        Raises:
            UserError: no such file, or not one of ours.
        """
        path = folder / FILE
        try:
            spec = cls(**yaml.safe_load(path.read_text()))
        except (OSError, TypeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: cannot be read ({reason}); run patch again") from None
        if spec.classes[0] != GOOD:
            raise UserError(f"{path}: the first class must be {GOOD!r}; run patch again")
        return spec
