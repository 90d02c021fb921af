"""Inpainter: draws defects into clean patches."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from defectgen.learn.generator import Generator
from defectgen.learn.module import inpainting


class Inpainter(Generator):
    """One function from clean patches to drawn ones."""

    def __call__(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        labels: Sequence[int],
        seeds: Sequence[int],
        shows: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Draw into patches (N, C, H, W) in [-1, 1], regions (N, H, W), class numbers and seeds (N,) each.

        shows (N,): class numbers of what the patches show in their regions, where `start` may begin from it.
        Outside the region the result equals the patch bit for bit.
        """
        known = torch.from_numpy(patches).to(self.device)
        region = torch.from_numpy(regions[:, None].astype(np.float32)).to(self.device)
        cond = inpainting(known, region, torch.tensor(list(labels), device=self.device), self.classes)
        found = None if shows is None else torch.tensor(list(shows), device=self.device)
        return self.draw(known, cond, seeds, found).cpu().numpy()

    def padded(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        labels: Sequence[int],
        seeds: Sequence[int],
        batch: int,
        shows: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """The same with every network call of exactly `batch` pictures: results may depend on that size."""
        fill = np.resize(np.arange(len(patches)), -(-len(patches) // batch) * batch)
        drawn = [
            self(
                patches[part],
                regions[part],
                [labels[i] for i in part],
                [seeds[i] for i in part],
                None if shows is None else [shows[i] for i in part],
            )
            for part in fill.reshape(-1, batch)
        ]
        return np.concatenate(drawn)[: len(patches)]
