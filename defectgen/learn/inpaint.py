"""Inpainter: draws defects into clean patches."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from defectgen.condition import Condition
from defectgen.learn.asked import Asked
from defectgen.learn.generator import Generator
from defectgen.learn.task import Given


class Inpainter(Generator):
    """One function from clean patches to drawn ones."""

    def __call__(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        shows: Sequence[Asked] | None = None,
    ) -> NDArray[np.float32]:
        """Draw into patches (N, C, H, W) in [-1, 1], regions (N, H, W), what is asked of each, by a seed (N,) each.

        shows (N,): what would be asked for what the patches show in their regions, where `start` may begin from it.
        Outside the region the result equals the patch bit for bit.
        """
        cases = zip(patches, regions, seeds, strict=True)
        given = [self.task.given(patch, region, np.random.default_rng(seed)) for patch, region, seed in cases]
        return self.fill(patches, regions, given, asked, seeds, shows)

    def fill(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        given: Sequence[Given],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        shows: Sequence[Asked] | None = None,
    ) -> NDArray[np.float32]:
        """The same where it is known what is given of each patch."""
        guess = np.stack([one.guess for one in given])
        known = torch.from_numpy(patches - guess).to(self.device)
        found = None if shows is None else self._condition(given, shows)
        drawn = self.draw(known, self._planes(regions), self._condition(given, asked), seeds, found)
        return guess + drawn.cpu().numpy()

    def _condition(self, given: Sequence[Given], asked: Sequence[Asked]) -> Condition:
        context = torch.from_numpy(np.stack([one.context for one in given])).to(self.device)
        region = self._planes(np.stack([one.region for one in given]))
        label = torch.tensor([one.label for one in asked], device=self.device)
        reference = torch.from_numpy(np.stack([one.reference for one in asked])).to(self.device)
        text = tuple(one.text for one in asked)
        return Condition(context, region, label, self.classes, text=text, reference=reference)

    def _planes(self, regions: NDArray[np.bool_]) -> Tensor:
        """Regions (N, H, W) as the network sees them, (N, 1, H, W) float32."""
        return torch.from_numpy(regions[:, None].astype(np.float32)).to(self.device)

    def padded(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        batch: int,
        shows: Sequence[Asked] | None = None,
    ) -> NDArray[np.float32]:
        """The same with every network call of exactly `batch` pictures: results may depend on that size."""
        fill = np.resize(np.arange(len(patches)), -(-len(patches) // batch) * batch)
        drawn = [
            self(
                patches[part],
                regions[part],
                [asked[i] for i in part],
                [seeds[i] for i in part],
                None if shows is None else [shows[i] for i in part],
            )
            for part in fill.reshape(-1, batch)
        ]
        return np.concatenate(drawn)[: len(patches)]
