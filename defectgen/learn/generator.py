"""Generator: a trained denoiser, a solver and guides; draws inside regions and leaves every other pixel as it is."""

from collections.abc import Sequence

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.guide import Guide, guided
from defectgen.diffusion.sample import sample, seeded
from defectgen.diffusion.solve import Solver
from defectgen.learn.precision import Precision
from defectgen.learn.task import Inpainting, Task


class Generator:
    """What inpainter and upsampler share.

    trajectory: noise levels walked, float64; classes: their number; precision: what the network computes in; task: how
    it was trained to see a picture.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        trajectory: Tensor,
        classes: int,
        solver: Solver,
        guides: Sequence[Guide],
        precision: Precision = "32-true",
        task: Task = Inpainting(),  # noqa: B008 - stateless
    ) -> None:
        self.denoise = guided(denoiser, guides)
        self.solver, self.trajectory, self.classes = solver, trajectory, classes
        self.device = next(denoiser.parameters()).device
        self.half, self.task = precision == "bf16-mixed", task

    def draw(self, known: Tensor, wanted: Tensor, cond: Condition, seeds: Sequence[int]) -> Tensor:
        """Draw into pictures (N, C, H, W) on the device, within the wanted regions (N, 1, H, W); a seed for each."""
        randn = seeded(seeds, known.shape[1:], self.device)
        noise = self.trajectory[0].float() * randn()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            restore = self.task.known(known, wanted)
            return sample(self.denoise, self.solver, self.trajectory, noise, cond, randn, restore)
