"""Segmenter: a small U-Net that tells the class of every pixel (Ronneberger et al. 2015)."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from defectgen.nn.classifier import Block
from defectgen.nn.layers import norm, standardised
from defectgen.spec import DataSpec


class Segmenter(nn.Module):
    """Residual blocks down and up over three resolutions, the finest a quarter of the picture's; 0.5 M parameters.

    Blocks of 4 x 4 pixels are folded into channels before the first convolution and unfolded from the logits after the
    last: full resolution at a sixteenth of its cost. At the coarsest resolution every place also sees the mean over
    all of them: what is uneven is so beside the rest of the picture.

    Args:
        spec: channels and classes of the data.
        width: channels at the finest resolution; 2 and 4 times as many at the next two.
    """

    def __init__(self, spec: DataSpec, width: int = 24) -> None:
        super().__init__()
        fold, widths = 4, [width, 2 * width, 4 * width]
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(fold), nn.Conv2d(fold**2 * spec.channels, width, 3, padding=1), Block(width)
        )
        self.down = nn.ModuleList(_down(fine, coarse) for fine, coarse in pairwise(widths))
        self.whole = nn.Linear(widths[-1], widths[-1])
        self.bottom = Block(widths[-1])
        self.narrow = nn.ModuleList(nn.Conv2d(2 * channels, channels, 1) for channels in reversed(widths[:-1]))
        self.up = nn.ModuleList(Block(channels) for channels in reversed(widths[:-1]))
        logits = nn.Conv2d(width, fold**2 * len(spec.classes), 3, padding=1)
        self.head = nn.Sequential(norm(width), nn.SiLU(), logits, nn.PixelShuffle(fold))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, S, S) in [-1, 1], S a multiple of 16, standardised first, to the logits (B, classes, S, S)."""
        features = [self.stem(standardised(x))]
        for down in self.down:
            features.append(down(features[-1]))
        inner = features.pop()
        inner = self.bottom(inner + self.whole(inner.mean(dim=(2, 3)))[:, :, None, None])
        for narrow, up in zip(self.narrow, self.up, strict=True):
            inner = up(features.pop() + functional.interpolate(narrow(inner), scale_factor=2.0, mode="nearest"))
        logits: Tensor = self.head(inner)
        return logits


def _down(channels: int, more: int) -> nn.Sequential:
    """Half the resolution, more channels."""
    return nn.Sequential(nn.Conv2d(channels, more, 3, stride=2, padding=1), Block(more))
