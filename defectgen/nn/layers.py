"""The blocks networks are built from."""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Module = TypeVar("Module", bound=nn.Module)
FLATTEST = 0.05  # deviation that a picture without contrast is given, in units of [-1, 1]


def zeroed(module: Module) -> Module:
    """The module with all parameters zero: its branch starts as nothing, so deep networks start as identities."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with groups of at least 8 channels."""
    return nn.GroupNorm(_parts(channels, 8), channels)


def _parts(channels: int, least: int) -> int:
    """Into how many equal parts of at least `least` channels they can be divided, 32 at most."""
    return max(count for count in range(1, 33) if channels % count == 0 and (channels // count >= least or count == 1))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, the second scaled and shifted by the embedding (Dhariwal & Nichol 2021, eq. 1)."""

    def __init__(self, channels_in: int, channels_out: int, embedding: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = norm(channels_in), norm(channels_out)
        self.conv_in = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv_out = zeroed(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        self.modulation = nn.Linear(embedding, 2 * channels_out)
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, channels_in, H, W), embedding (B, E) to (B, channels_out, H, W)."""
        inner = self.conv_in(functional.silu(self.norm_in(x)))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm_out(inner) * (1 + scale) + shift
        return self.skip(x) + self.conv_out(functional.silu(inner))


class SelfAttention(nn.Module):
    """Multi-head self-attention over the pixels of a small feature map."""

    def __init__(self, channels: int, head: int = 32) -> None:
        super().__init__()
        self.heads = _parts(channels, head)
        self.norm = norm(channels)
        self.queries_keys_values = nn.Conv2d(channels, 3 * channels, 1)
        self.projection = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) to the same shape."""
        batch, channels, height, width = x.shape
        parts = self.queries_keys_values(self.norm(x)).reshape(batch, 3, self.heads, -1, height * width)
        queries, keys, values = parts.transpose(-1, -2).unbind(1)
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        return x + self.projection(mixed.transpose(-1, -2).reshape(batch, channels, height, width))


class CrossAttention(nn.Module):
    """Every pixel of a small feature map reads the tokens of what is told (Rombach et al. 2022, sec. 3.3)."""

    def __init__(self, channels: int, size: int, head: int = 32) -> None:
        super().__init__()
        self.heads = _parts(channels, head)
        self.norm = norm(channels)
        self.queries, self.keys_values = nn.Conv2d(channels, channels, 1), nn.Linear(size, 2 * channels)
        self.projection = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor, tokens: Tensor, heard: Tensor) -> Tensor:
        """x (B, C, H, W), tokens (B, T, size), heard (B, T) bool, at least one of each row, to the shape of x."""
        batch, channels, height, width = x.shape
        queries = self.queries(self.norm(x)).reshape(batch, self.heads, -1, height * width).transpose(-1, -2)
        parts = self.keys_values(tokens).reshape(batch, -1, 2, self.heads, channels // self.heads)
        keys, values = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, heard[:, None, None])
        return x + self.projection(mixed.transpose(-1, -2).reshape(batch, channels, height, width))


class Entry(nn.Conv2d):
    """The pixels of a patch_size x patch_size square become channels, then a convolution."""

    def __init__(self, channels_in: int, channels_out: int, patch_size: int) -> None:
        super().__init__(channels_in * patch_size**2, channels_out, 3, padding=1)
        self.patch_size = patch_size

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels_in, H, W) to (B, channels_out, H / patch_size, W / patch_size)."""
        return super().forward(functional.pixel_unshuffle(x, self.patch_size))


class Exit(nn.Sequential):
    """A convolution, then channels become the pixels of a square again; starts by answering 0."""

    def __init__(self, channels_in: int, channels_out: int, patch_size: int) -> None:
        last = nn.Conv2d(channels_in, channels_out * patch_size**2, 3, padding=1)
        super().__init__(norm(channels_in), nn.SiLU(), zeroed(last), nn.PixelShuffle(patch_size))


class Downsample(nn.Conv2d):
    """Half the resolution by a strided convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, stride=2, padding=1)


class Upsample(nn.Conv2d):
    """Twice the resolution: nearest neighbour, then a convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels_in, H, W) to (B, channels_out, 2 H, 2 W)."""
        return super().forward(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def fourier_features(level: Tensor, size: int) -> Tensor:
    """Sines and cosines of `level` (B,) at `size` / 2 geometrically spaced frequencies from 0.1 to 10: (B, size)."""
    frequencies = torch.logspace(-1, 1, size // 2, device=level.device, dtype=torch.float32)
    angles = level.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def standardised(x: Tensor) -> Tensor:
    """Each picture (B, C, H, W) with mean 0 and a spread of about 1 of its own: neither light nor exposure tells."""
    mean, deviation = x.mean(dim=(1, 2, 3), keepdim=True), x.std(dim=(1, 2, 3), keepdim=True)
    return (x - mean) / (deviation + FLATTEST)
