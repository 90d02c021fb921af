"""What is measured: the settings of a training and a generation, and the small data set they run on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from defectgen.diffusion.denoise import Denoiser, Parametrization, Weighting
from defectgen.diffusion.guide import Guide
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.solve import Solver
from defectgen.learn.precision import Precision
from defectgen.nn.unet import UNet
from defectgen.quality.gates import Gate
from defectgen.spec import DataSpec


@dataclass(frozen=True)
class Recipe:
    """Settings under the names they have in the stages.

    batch: patches in a training step; drawn: defects drawn together.
    """

    network: Callable[[DataSpec], UNet]
    schedule: Schedule
    parametrization: Parametrization
    weighting: Weighting
    batch: int
    learning_rate: float
    good_share: float
    label_dropout: float
    solver: Solver
    steps: int
    guides: Sequence[Guide]
    gates: Sequence[Gate]
    drawn: int

    @property
    def passed(self) -> int:
        """Patches in a network call while drawing: classifier-free guidance asks twice."""
        return 2 * self.drawn

    def describe(self, precision: Precision) -> str:
        """What a reader must know to compare figures."""
        drawing = f"{self.drawn} defects at once in {self.steps} steps, {self.passed} patches in a network call"
        return f"{precision}; {self.batch} patches in a training step; {drawing}"

    def denoiser(self, spec: DataSpec) -> Denoiser:
        """An untrained one: how fast a network is does not depend on what it has learned."""
        return Denoiser(self.network(spec), self.parametrization, spec.sigma_data)


@dataclass(frozen=True)
class Folders:
    """Where the data set's real pictures, patches and plan lie, and where results may be written."""

    ingest: Path
    patch: Path
    plan: Path
    out: Path
