"""Tasks: what a network is given of a picture and what of it it is to draw (Saharia et al. 2022, Palette).

One network, loss and sampler serve all of them: only context and region differ. A filling draws what lies within a
region of the product's and leaves the rest as it is; a restoration makes a picture again of what is left of it, by
drawing what a trivial guess lacks, so that it need not learn to copy.
"""

from abc import ABC, abstractmethod
from io import BytesIO
from math import sqrt
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from defectgen.diffusion.sample import Known, KnownClean, KnownNoised
from defectgen.errors import UserError
from defectgen.imaging.files import Mask, from_float, to_float

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)


class Given(NamedTuple):
    """What a network is given of one picture.

    context (C, H, W) float32 in [-1, 1]: what it sees of the picture; region (H, W), True = to be drawn; guess, like
    context: what is drawn is the picture less this one, which outside the region is the truth or zero.
    """

    context: NDArray[np.float32]
    region: Mask
    guess: NDArray[np.float32]


class Task(ABC):
    """What a network is given of a picture and what of it it is to draw."""

    @abstractmethod
    def given(self, picture: NDArray[np.float32], region: Mask, rng: np.random.Generator) -> Given:
        """What it is given of a picture (C, H, W) in [-1, 1] in which the region (H, W) is wanted.

        A pure function of its arguments; what is left to chance comes from `rng`.
        """

    def known(self, pictures: Tensor, wanted: Tensor) -> Known:
        """How sampling keeps the pixels of pictures (B, C, H, W) outside the wanted regions (B, 1, H, W)."""
        return KnownClean(pictures, wanted)


class Filling(Task):
    """What lies within the wanted region is drawn anew."""


class Inpainting(Filling):
    """Given the picture with the region blanked, draw the region; what surrounds it is clean at every noise level."""

    def given(self, picture: NDArray[np.float32], region: Mask, rng: np.random.Generator) -> Given:
        return Given(picture * ~region, region, np.zeros_like(picture))


class Whole(Filling):
    """Given nothing of the picture, draw all of it: an unconditional model of whole patches.

    What is outside the wanted region is put back as noisy as the rest, at every noise level; with `generate.repeats`
    above 1 this is RePaint (Lugmayr et al. 2022). What is to be drawn is told as ever.
    """

    def given(self, picture: NDArray[np.float32], region: Mask, rng: np.random.Generator) -> Given:
        return Given(np.zeros_like(picture), np.ones_like(region), np.zeros_like(picture))

    def known(self, pictures: Tensor, wanted: Tensor) -> Known:
        return KnownNoised(pictures, wanted)


class Restoration(Task):
    """Of a picture something is lost, whatever region is wanted: draw what the trivial guess at it lacks."""

    baseline: ClassVar[str]  # what `trivial` does, in words

    def given(self, picture: NDArray[np.float32], region: Mask, rng: np.random.Generator) -> Given:
        kept, lost = self.left(picture, rng)
        guess = self.trivial(kept, lost)
        return Given(guess, lost, guess)  # seen too: it is easier to mend than to make again

    @abstractmethod
    def left(self, picture: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], Mask]:
        """What is left of a picture (C, H, W) in [-1, 1], like it, and the region (H, W) in which something is lost.

        Raises:
            UserError: such a picture cannot lose it.
        """

    def trivial(self, kept: NDArray[np.float32], lost: Mask) -> NDArray[np.float32]:
        """The baseline: what anybody can make of what is left, like it, without learning anything."""
        return kept


class Uncropping(Restoration):
    """Everything beyond a window is to be drawn: beyond one side of it or beyond all four, half of the time each.

    Palette, sec. 4.3.

    Args:
        share: share of the picture's area that is hidden, between 0 and 1.
    """

    baseline = "edge replicated"

    def __init__(self, share: float = 0.5) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share must lie between 0 and 1, not {share}")
        self.share = share

    def left(self, picture: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], Mask]:
        _, height, width = picture.shape
        if rng.random() < 0.5:
            depth = self.share * np.eye(4)[rng.integers(4)]
        else:
            depth = np.full(4, (1 - sqrt(1 - self.share)) / 2)
        sides = np.array([height, height, width, width])
        top, bottom, left, right = np.minimum(np.ceil(depth * sides), sides - 1).astype(int)
        hidden = np.ones((height, width), bool)
        hidden[top : height - bottom, left : width - right] = False
        return picture * ~hidden, hidden

    def trivial(self, kept: NDArray[np.float32], lost: Mask) -> NDArray[np.float32]:
        rows, columns = (np.flatnonzero(~lost.all(axis=axis)) for axis in (1, 0))
        height, width = lost.shape
        window = kept[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        beyond = ((0, 0), (rows[0], height - 1 - rows[-1]), (columns[0], width - 1 - columns[-1]))
        return np.pad(window, beyond, mode="edge")


class Colorization(Restoration):
    """Given the grey picture in every channel, draw the coloured one; Palette, sec. 4.1."""

    baseline = "grey copied"

    def left(self, picture: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], Mask]:
        if len(picture) == 1:
            raise UserError("train.restore.task: Colorization: the product's pictures are grey; take another task")
        grey = np.tensordot(LUMA, picture, axes=1)
        return np.repeat(grey[None], len(picture), axis=0), np.ones(grey.shape, bool)


class JPEGRestoration(Restoration):
    """Given the picture after JPEG of a quality drawn at random, draw it as it was before; Palette, sec. 4.4.

    Args:
        lowest: quality, 1 to 100.
        highest: quality, at least `lowest`.
    """

    baseline = "JPEG as it is"

    def __init__(self, lowest: int = 5, highest: int = 30) -> None:
        if not 1 <= lowest <= highest <= 100:
            raise ValueError(f"qualities must lie in 1 to 100, the lowest first, not {lowest} and {highest}")
        self.lowest, self.highest = lowest, highest

    def left(self, picture: NDArray[np.float32], rng: np.random.Generator) -> tuple[NDArray[np.float32], Mask]:
        quality = int(rng.integers(self.lowest, self.highest, endpoint=True))
        return compressed(picture, quality), np.ones(picture.shape[1:], bool)


def compressed(picture: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    """A picture (C, H, W) in [-1, 1] after JPEG of a quality from 1 to 100, in memory."""
    file = BytesIO()
    Image.fromarray(from_float(picture, np.dtype(np.uint8))).save(file, "JPEG", quality=quality)
    return to_float(np.asarray(Image.open(file)))
