"""Classifier: a small convolutional network that tells the class of a patch."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from defectgen.nn.layers import norm, zeroed
from defectgen.spec import DataSpec


class Classifier(nn.Module):
    """Residual blocks at ever lower resolution, then the mean and the maximum over all places; 0.3 M parameters.

    The mean sees what fills the patch, the maximum a defect of a few pixels. Group normalisation, so that a patch's
    logits do not depend on its batch mates.

    Args:
        spec: channels and classes of the data.
        width: channels at the first resolution.
        multipliers: channels of each resolution over `width`; every next one is half the size.
        patch_size: the picture's side over that of the first resolution.
    """

    def __init__(
        self, spec: DataSpec, width: int = 24, multipliers: tuple[int, ...] = (1, 2, 4), patch_size: int = 2
    ) -> None:
        super().__init__()
        self.width, self.multipliers, self.patch_size = width, multipliers, patch_size
        channels = width * multipliers[0]
        stem = nn.Conv2d(patch_size**2 * spec.channels, channels, 3, padding=1)
        layers: list[nn.Module] = [nn.PixelUnshuffle(patch_size), stem]
        for depth, multiplier in enumerate(multipliers):
            if depth:
                layers.append(nn.Conv2d(channels, width * multiplier, 3, stride=2, padding=1))
                channels = width * multiplier
            layers.append(Block(channels))
        self.features = nn.Sequential(*layers, norm(channels), nn.SiLU())
        self.logits = nn.Linear(2 * channels, len(spec.classes))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) in [-1, 1] to the logits (B, classes)."""
        return self.called(self.features(x))

    def called(self, features: Tensor) -> Tensor:
        """The logits (B, classes) of features (B, F, h, w)."""
        logits: Tensor = self.logits(torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1))
        return logits


class Block(nn.Module):
    """Two 3 x 3 convolutions around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = norm(channels), norm(channels)
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_out = zeroed(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv_in(functional.silu(self.norm_in(x)))
        return x + self.conv_out(functional.silu(self.norm_out(inner)))
