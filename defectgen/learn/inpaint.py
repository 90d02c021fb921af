"""Inpainter: a trained denoiser, a solver and guides as one function from clean patches to drawn ones."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.guide import Guide, guided
from defectgen.diffusion.sample import KnownClean, sample, seeded
from defectgen.diffusion.solve import Solver
from defectgen.learn.module import inpainting
from defectgen.learn.precision import Precision


class Inpainter:
    """Draws defects into patches.

    trajectory: noise levels walked, float64; precision: what the network computes in.
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

    def __call__(
        self, patches: NDArray[np.float32], regions: NDArray[np.bool_], labels: Sequence[int], seeds: Sequence[int]
    ) -> NDArray[np.float32]:
        """Draw into patches (N, C, H, W) in [-1, 1], regions (N, H, W), class numbers and seeds (N,) each.

        Outside the region the result equals the patch bit for bit.
        """
        known = torch.from_numpy(patches).to(self.device)
        region = torch.from_numpy(regions[:, None].astype(np.float32)).to(self.device)
        cond = inpainting(known, region, torch.tensor(list(labels), device=self.device), self.classes)
        randn = seeded(seeds, patches.shape[1:], self.device)
        noise = self.trajectory[0].float() * randn()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            drawn = sample(self.denoise, self.solver, self.trajectory, noise, cond, randn, KnownClean(known, region))
        return drawn.cpu().numpy()

    def padded(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        labels: Sequence[int],
        seeds: Sequence[int],
        batch: int,
    ) -> NDArray[np.float32]:
        """The same with every network call of exactly `batch` pictures: results may depend on that size."""
        fill = np.resize(np.arange(len(patches)), -(-len(patches) // batch) * batch)
        drawn = [
            self(patches[part], regions[part], [labels[i] for i in part], [seeds[i] for i in part])
            for part in fill.reshape(-1, batch)
        ]
        return np.concatenate(drawn)[: len(patches)]
