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
from defectgen.learn.start import Noise, Start
from defectgen.learn.task import Inpainting, Task


class Generator:
    """What inpainter and upsampler share.

    trajectory: noise levels walked, float64; classes: their number; precision: what the network computes in; task: how
    it was trained to see a picture; start: where pictures begin that something may be begun from.
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
        start: Start = Noise(),  # noqa: B008 - stateless
    ) -> None:
        self.denoiser, self.denoise = denoiser, guided(denoiser, guides)
        self.solver, self.trajectory, self.classes = solver, trajectory, classes
        self.device = next(denoiser.parameters()).device
        self.half, self.task, self.start = precision == "bf16-mixed", task, start

    def draw(
        self, known: Tensor, wanted: Tensor, cond: Condition, seeds: Sequence[int], shown: Condition | None = None
    ) -> Tensor:
        """Draw into pictures (N, C, H, W) on the device, within the wanted regions (N, 1, H, W); a seed for each.

        shown: what would be told of what the pictures show in the region, to be begun from; None: begin from noise.
        """
        randn = seeded(seeds, known.shape[1:], self.device)
        start, own = (Noise(), cond) if shown is None else (self.start, shown)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            restore = self.task.known(known, wanted)
            walk = start(self.denoiser, self.solver, self.trajectory, known, own, randn)
            return sample(self.denoise, self.solver, walk.trajectory, walk.x, cond, walk.randn, restore)
