"""Generator: a trained denoiser, a solver and guides; draws inside regions and leaves every other pixel as it is."""

from collections.abc import Sequence

import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.guide import Guide, guided
from defectgen.diffusion.sample import KnownClean, sample, seeded
from defectgen.diffusion.solve import Solver
from defectgen.learn.precision import Precision


class Generator:
    """What inpainter and upsampler share.

    trajectory: noise levels walked, float64; classes: their number; precision: what the network computes in.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        trajectory: Tensor,
        classes: int,
        solver: Solver,
        guides: Sequence[Guide],
        precision: Precision = "32-true",
    ) -> None:
        self.denoise = guided(denoiser, guides)
        self.solver, self.trajectory, self.classes = solver, trajectory, classes
        self.device = next(denoiser.parameters()).device
        self.half = precision == "bf16-mixed"

    def draw(self, known: Tensor, cond: Condition, seeds: Sequence[int]) -> Tensor:
        """Draw into pictures (N, C, H, W) on the device, within `cond.region`; a seed for each."""
        randn = seeded(seeds, known.shape[1:], self.device)
        noise = self.trajectory[0].float() * randn()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            restore = KnownClean(known, cond.region)
            return sample(self.denoise, self.solver, self.trajectory, noise, cond, randn, restore)
