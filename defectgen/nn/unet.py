"""UNet: the plain backbone (Ho et al. 2020, with the adaptive norm of Dhariwal & Nichol 2021)."""

import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.nn.embed import LevelEmbedder, Told
from defectgen.nn.inherit import Inheriting
from defectgen.nn.layers import CrossAttention, Downsample, Entry, Exit, ResidualBlock, SelfAttention, Upsample
from defectgen.nn.term import Label, Term
from defectgen.spec import DataSpec


class UNet(Inheriting):
    """Residual blocks down and up with skip connections, attention where the feature map is small.

    The context embedder is the first convolution: picture, surroundings and region enter as channels.

    Args:
        spec: channels and classes of the data.
        width: channels at full resolution.
        multipliers: channels of each resolution over `width`; every next one is half the size.
        blocks: residual blocks per resolution.
        attention: side in pixels of the feature maps that get self-attention; the smallest one always does.
        patch_size: pixels of a patch_size x patch_size square become channels first, and pixels again last; 2 costs a
            quarter of the time at full resolution and little quality (Hoogeboom et al. 2023, sec. 3.2).
        term: what it is told of what it is to draw. Tokens are read wherever there is self-attention.
    """

    def __init__(
        self,
        spec: DataSpec,
        width: int = 32,
        multipliers: tuple[int, ...] = (1, 2, 3),
        blocks: int = 1,
        attention: tuple[int, ...] = (8,),
        patch_size: int = 2,
        term: Term = Label(),  # noqa: B008 - stateless
    ) -> None:
        super().__init__()
        self.width, self.multipliers, self.blocks = width, multipliers, blocks
        self.attention, self.patch_size, self.channels, self.term = attention, patch_size, spec.channels, term
        size = 4 * width
        self.level, self.told = LevelEmbedder(width, size), term.embedder(spec, size)
        self.augmentation = LevelEmbedder(width, size) if spec.upsampled else None
        self.entry = Entry(spec.channels + spec.context + 1, width, patch_size)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, skips = width, [width]
        for depth, multiplier in enumerate(multipliers):
            attend = (spec.size // patch_size) >> depth in attention
            for _ in range(blocks):
                self.down.append(_Stage(channels, width * multiplier, size, attend, self.told.reads))
                channels = width * multiplier
                skips.append(channels)
            if depth + 1 < len(multipliers):
                self.down.append(_Resize(Downsample(channels, channels)))
                skips.append(channels)
        self.middle = _Stage(channels, channels, size, True, self.told.reads)
        for depth, multiplier in reversed(list(enumerate(multipliers))):
            attend = (spec.size // patch_size) >> depth in attention
            for _ in range(blocks + 1):
                self.up.append(_Stage(channels + skips.pop(), width * multiplier, size, attend, self.told.reads))
                channels = width * multiplier
            if depth:
                self.up.append(_Resize(Upsample(channels, channels)))
        self.exit = Exit(channels, spec.channels, patch_size)

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        told = self.embedding(level, cond)
        hidden = self.entry(torch.cat([x, cond.context, cond.region], dim=1))
        skips = [hidden]
        for stage in self.down:
            hidden = stage(hidden, told)
            skips.append(hidden)
        hidden = self.middle(hidden, told)
        for stage in self.up:
            if isinstance(stage, _Stage):
                hidden = torch.cat([hidden, skips.pop()], dim=1)
            hidden = stage(hidden, told)
        answer: Tensor = self.exit(hidden)
        return answer


class _Stage(nn.Module):
    """A residual block and, where the map is small, attention to itself and to what tokens say."""

    def __init__(self, channels_in: int, channels_out: int, embedding: int, attend: bool, read: bool) -> None:
        super().__init__()
        self.block = ResidualBlock(channels_in, channels_out, embedding)
        self.attention = SelfAttention(channels_out) if attend else nn.Identity()
        self.reading = CrossAttention(channels_out, embedding) if attend and read else None

    def forward(self, x: Tensor, told: Told) -> Tensor:
        x = self.attention(self.block(x, told.vector))
        return x if self.reading is None else self.reading(x, told.tokens, told.heard)


class _Resize(nn.Module):
    """A change of resolution, which the embedding does not reach."""

    def __init__(self, resize: nn.Module) -> None:
        super().__init__()
        self.resize = resize

    def forward(self, x: Tensor, told: Told) -> Tensor:
        return self.resize(x)
