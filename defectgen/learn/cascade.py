"""Cascade: an inpainter and, for what needs more pixels than it paints, an upsampler (Ho et al. 2022, CDM)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.files import Mask
from defectgen.learn.asked import Asked
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.upsample import FACTOR, Upsampler
from defectgen.manifest import make_seed


class Cascade:
    """Draws at low resolution, and from that at FACTOR times it where it has an upsampler."""

    def __init__(self, inpainter: Inpainter, upsampler: Upsampler | None = None) -> None:
        self.inpainter, self.upsampler = inpainter, upsampler

    @property
    def at_donor(self) -> bool:
        """Whether pictures begin at what is shown in their regions."""
        return self.inpainter.start.at_donor

    def low(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        batch: int,
        shows: Sequence[Asked] | None = None,
    ) -> NDArray[np.float32]:
        """Draw into patches (N, C, H, W) in [-1, 1], regions (N, H, W), by network calls of `batch` pictures each."""
        return self.inpainter.padded(patches, regions, asked, seeds, batch, shows)

    def high(
        self, clean: NDArray[np.float32], region: Mask, low: NDArray[np.float32], label: int, seed: int
    ) -> NDArray[np.float32]:
        """`low` (C, H, W) as drawn into a region (H, W) of the picture `clean` (C, FACTOR H, FACTOR W), like clean."""
        assert self.upsampler is not None
        large = region.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
        own = make_seed(seed, "high")  # or its noise would begin with that of the low resolution
        return self.upsampler(clean[None], large[None], low[None], [label], [own])[0]
