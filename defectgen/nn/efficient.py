"""EfficientUNet: the backbone of upsamplers (Saharia et al. 2022, Imagen, App. B.1)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.nn.embed import LevelEmbedder
from defectgen.nn.inherit import Inheriting
from defectgen.nn.layers import CrossAttention, Downsample, Entry, Exit, ResidualBlock, Upsample
from defectgen.nn.term import Label, Term
from defectgen.spec import DataSpec

SKIP = 2**-0.5  # scale of the skip connections: where many blocks lie below them, training converges faster


class EfficientUNet(Inheriting):
    """Residual blocks where maps are small, the resolution lowered before them and raised after them.

    Fully convolutional, without attention but to what tokens say: it works on every side that is a multiple of its
    stride, patch_size * 2 ** (resolutions - 1), whatever side it was trained on.

    Args:
        spec: channels and classes of the data. Where `spec.upsampled` it is told `Condition.augmentation` too.
        width: channels at the finest resolution; each stands for patch_size x patch_size pixels.
        multipliers: channels of each resolution over `width`; every next one is half the size.
        blocks: residual blocks of each resolution on the way down, and as many on the way up.
        patch_size: pixels of a patch_size x patch_size square become channels first, and pixels again last.
        term: what it is told of what it is to draw. Tokens are read where maps are smallest.

    Raises:
        ValueError: `blocks` are not one number above 0 per resolution, or the stride does not divide `spec.size`.
    """

    def __init__(
        self,
        spec: DataSpec,
        width: int = 32,
        multipliers: tuple[int, ...] = (1, 2, 2, 4),
        blocks: tuple[int, ...] = (1, 1, 2, 2),
        patch_size: int = 2,
        term: Term = Label(),  # noqa: B008 - stateless
    ) -> None:
        super().__init__()
        if len(blocks) != len(multipliers) or min(blocks) < 1:
            raise ValueError(f"blocks must be {len(multipliers)} numbers above 0, one per resolution, not {blocks}")
        stride = patch_size * 2 ** (len(multipliers) - 1)
        if spec.size % stride:
            raise ValueError(f"pictures of {spec.size} px do not divide by the stride of this network, {stride}")
        self.width, self.multipliers, self.blocks = width, multipliers, blocks
        self.patch_size, self.channels, self.term = patch_size, spec.channels, term
        size, widths = 4 * width, [width * multiplier for multiplier in multipliers]
        steps = list(pairwise(widths))
        self.level, self.told = LevelEmbedder(width, size), term.embedder(spec, size)
        self.augmentation = LevelEmbedder(width, size) if spec.upsampled else None
        self.entry = Entry(spec.channels + spec.context + 1, widths[0], patch_size)
        self.shrink = nn.ModuleList([nn.Identity(), *(Downsample(fine, coarse) for fine, coarse in steps)])
        self.down = nn.ModuleList(_Blocks(own, own, size, count) for own, count in zip(widths, blocks, strict=True))
        self.middle = ResidualBlock(widths[-1], widths[-1], size)
        self.reading = CrossAttention(widths[-1], size) if self.told.reads else None
        upwards = list(zip(widths, blocks, strict=True))[::-1]
        self.up = nn.ModuleList(_Blocks(2 * own, own, size, count) for own, count in upwards)
        self.grow = nn.ModuleList([*(Upsample(coarse, fine) for fine, coarse in reversed(steps)), nn.Identity()])
        self.exit = Exit(widths[0], spec.channels, patch_size)

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        told = self.embedding(level, cond)
        hidden = self.entry(torch.cat([x, cond.context, cond.region], dim=1))
        skips = []
        for shrink, blocks in zip(self.shrink, self.down, strict=True):
            hidden = blocks(shrink(hidden), told.vector)
            skips.append(SKIP * hidden)
        hidden = self.middle(hidden, told.vector)
        if self.reading is not None:
            hidden = self.reading(hidden, told.tokens, told.heard)
        for blocks, grow in zip(self.up, self.grow, strict=True):
            hidden = grow(blocks(torch.cat([hidden, skips.pop()], dim=1), told.vector))
        answer: Tensor = self.exit(hidden)
        return answer


class _Blocks(nn.ModuleList):
    """The residual blocks of one resolution; the first one changes the number of channels."""

    def __init__(self, channels_in: int, channels_out: int, embedding: int, count: int) -> None:
        first = ResidualBlock(channels_in, channels_out, embedding)
        super().__init__([first, *(ResidualBlock(channels_out, channels_out, embedding) for _ in range(count - 1))])

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for block in self:
            x = block(x, embedding)
        return x
