"""Inpainter: draws defects into clean patches."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from defectgen.learn.asked import Asked
from defectgen.learn.generator import Generator
from defectgen.learn.module import inpainting


class Inpainter(Generator):
    """One function from clean patches to drawn ones."""

    def __call__(
        self, patches: NDArray[np.float32], regions: NDArray[np.bool_], asked: Sequence[Asked], seeds: Sequence[int]
    ) -> NDArray[np.float32]:
        """Draw into patches (N, C, H, W) in [-1, 1], regions (N, H, W), what is asked of each, by a seed (N,) each.

        Outside the region the result equals the patch bit for bit.
        """
        known = torch.from_numpy(patches).to(self.device)
        region = torch.from_numpy(regions[:, None].astype(np.float32)).to(self.device)
        label = torch.tensor([each.label for each in asked], device=self.device)
        reference = torch.from_numpy(np.stack([each.reference for each in asked])).to(self.device)
        cond = inpainting(known, region, label, self.classes, [each.text for each in asked], reference)
        return self.draw(known, cond, seeds).cpu().numpy()

    def padded(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        batch: int,
    ) -> NDArray[np.float32]:
        """The same with every network call of exactly `batch` pictures: results may depend on that size."""
        fill = np.resize(np.arange(len(patches)), -(-len(patches) // batch) * batch)
        drawn = [
            self(patches[part], regions[part], [asked[i] for i in part], [seeds[i] for i in part])
            for part in fill.reshape(-1, batch)
        ]
        return np.concatenate(drawn)[: len(patches)]
