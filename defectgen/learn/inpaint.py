"""Inpainter: draws defects into clean patches."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from defectgen.condition import Condition
from defectgen.learn.generator import Generator
from defectgen.learn.task import Given


class Inpainter(Generator):
    """One function from clean patches to drawn ones."""

    def __call__(
        self, patches: NDArray[np.float32], regions: NDArray[np.bool_], labels: Sequence[int], seeds: Sequence[int]
    ) -> NDArray[np.float32]:
        """Draw into patches (N, C, H, W) in [-1, 1], regions (N, H, W), class numbers and seeds (N,) each.

        Outside the region the result equals the patch bit for bit.
        """
        cases = zip(patches, regions, seeds, strict=True)
        given = [self.task.given(patch, region, np.random.default_rng(seed)) for patch, region, seed in cases]
        return self.fill(patches, regions, given, labels, seeds)

    def fill(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        given: Sequence[Given],
        labels: Sequence[int],
        seeds: Sequence[int],
    ) -> NDArray[np.float32]:
        """The same where it is known what is given of each patch."""
        context = torch.from_numpy(np.stack([one.context for one in given])).to(self.device)
        label = torch.tensor(list(labels), device=self.device)
        cond = Condition(context, self._planes(np.stack([one.region for one in given])), label, self.classes)
        guess = np.stack([one.guess for one in given])
        known = torch.from_numpy(patches - guess).to(self.device)
        return guess + self.draw(known, self._planes(regions), cond, seeds).cpu().numpy()

    def _planes(self, regions: NDArray[np.bool_]) -> Tensor:
        """Regions (N, H, W) as the network sees them, (N, 1, H, W) float32."""
        return torch.from_numpy(regions[:, None].astype(np.float32)).to(self.device)

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
