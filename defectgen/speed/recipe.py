"""What is measured: the settings of a training and a generation, and the small data set they run on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization, Weighting
from defectgen.diffusion.guide import Guide
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.solve import Solver
from defectgen.learn.precision import Precision
from defectgen.nn.unet import UNet
from defectgen.quality.gates import Gate
from defectgen.spec import DataSpec

LARGE = 2  # large defects drawn together: so few, for each takes as long as many small ones


@dataclass(frozen=True)
class Detail:
    """What gives large defects their detail: settings under the names they have in train.upsample.

    steps: upsampling_steps of generate.
    """

    network: Callable[[DataSpec], Backbone]
    schedule: Schedule
    parametrization: Parametrization
    steps: int

    def denoiser(self, spec: DataSpec) -> Denoiser:
        """An untrained one."""
        return Denoiser(self.network(spec), self.parametrization, spec.sigma_data)


@dataclass(frozen=True)
class Recipe:
    """Settings under the names they have in the stages.

    batch: patches in a training step; drawn: defects drawn together; detail: of those that are large.
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
    detail: Detail

    @property
    def passed(self) -> int:
        """Patches in a network call while drawing: classifier-free guidance asks twice."""
        return 2 * self.drawn

    def describe(self, precision: Precision) -> str:
        """What a reader must know to compare figures."""
        drawing = f"{self.drawn} defects at once in {self.steps} steps, {self.passed} patches in a network call"
        detail = f"{LARGE} large ones at once, their detail in {self.detail.steps} steps"
        return f"{precision}; {self.batch} patches in a training step; {drawing}; {detail}"

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
