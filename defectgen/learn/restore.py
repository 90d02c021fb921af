"""Restoring held-out patches, and how near they come to the truth; beside it what is made of them without learning.

A sample is as rough as the truth, but rough elsewhere: its squared error is twice that of the mean of all samples,
3 dB, however well the network has learned (Blau & Michaeli 2018). That mean is what the denoiser answers where nothing
of the picture is left, in one call, whatever the noise: the mean of a few such calls is freed of what it still takes
from noise. So both are measured, mean and sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.condition import Condition
from defectgen.imaging.files import Mask, Pixels, from_float
from defectgen.imaging.sheet import Rgb, outlined, sheet, to_rgb
from defectgen.learn.asked import Asked
from defectgen.learn.data import Example, spread
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import inpainting_of
from defectgen.learn.patches import Patches
from defectgen.learn.task import Given, Restoration
from defectgen.manifest import make_seed

BATCH = 32  # patches in a network call
EXACT = 1e-10  # squared error that counts as none: 106 dB
SHOWN, CELL = 10, 128  # rows of the sheet, and side of a picture on it


@dataclass(frozen=True)
class Lost:
    """A held-out patch (C, H, W) in [-1, 1] and what is given of it; `seed` is of the noise it is restored from."""

    name: str
    picture: NDArray[np.float32]
    given: Given
    seed: int


def lost_of(patches: Patches, task: Restoration, most: int, seed: int) -> list[Lost]:
    """At most so many patches, evenly spread, and what the task leaves of them: always the same.

    Raises:
        UserError: the task is none for pictures as these.
    """
    lost = []
    for number in spread(range(len(patches.pictures)), most):
        picture, own = patches.pictures[number], make_seed(seed, "restored", number)
        nothing = np.zeros(picture.shape[1:], bool)  # no region is wanted more than another
        given = task.given(picture, nothing, np.random.default_rng(own))
        lost.append(Lost(patches.ids[number], picture, given, own))
    return lost


def untold(batch: Example, classes: int) -> Condition:
    """The condition of a batch: a restoration is not told what is in the picture."""
    return inpainting_of(batch, classes).unconditional()


def restored(restorer: Inpainter, lost: Sequence[Lost], draws: int = 1) -> NDArray[np.float32]:
    """What the network draws of the patches, (N, C, H, W) in [-1, 1]: the mean of so many draws."""
    parts = [lost[start : start + BATCH] for start in range(0, len(lost), BATCH)]
    return np.concatenate([_drawn(restorer, part, draws) for part in tqdm(parts, desc="restore", disable=None)])


def _drawn(restorer: Inpainter, part: Sequence[Lost], draws: int) -> NDArray[np.float32]:
    pictures, regions = np.stack([one.picture for one in part]), np.stack([one.given.region for one in part])
    given = [one.given for one in part]
    asked = [Asked.only(restorer.classes, one.picture) for one in part]
    seeds = [[make_seed(one.seed, number) for one in part] for number in range(draws)]
    drawn = np.mean([restorer.fill(pictures, regions, given, asked, each) for each in seeds], axis=0)
    return drawn.clip(-1, 1)


def figures(lost: Sequence[Lost], mean: NDArray[np.float32], sample: NDArray[np.float32]) -> pd.DataFrame:
    """One row per patch, in dB: psnr of the mean of all samples (N, C, H, W), psnr_sample of a single one, and
    psnr_trivial of the baseline.
    """
    return pd.DataFrame(
        {
            "image_id": one.name,
            "psnr": psnr(ours, one.picture, one.given.region),
            "psnr_sample": psnr(single, one.picture, one.given.region),
            "psnr_trivial": psnr(one.given.guess, one.picture, one.given.region),
        }
        for one, ours, single in zip(lost, mean, sample, strict=True)
    )


def psnr(picture: NDArray[np.float32], truth: NDArray[np.float32], region: Mask) -> float:
    """Peak signal to noise ratio in dB of pictures (C, H, W) in [-1, 1], over the region (H, W), data range 2."""
    error = float(np.square(picture - truth, dtype=np.float64)[:, region].mean())
    return 10 * float(np.log10(4 / max(error, EXACT)))


def restoration_sheet(
    lost: Sequence[Lost], mean: NDArray[np.float32], sample: NDArray[np.float32], baseline: str
) -> Rgb:
    """A few patches as the baseline and as the network make of them, and as they truly are; outlined what was lost."""
    rows = [
        [outlined(_native(one.given.guess), one.given.region), *map(to_rgb, map(_native, (ours, single, one.picture)))]
        for one, ours, single in spread(list(zip(lost, mean, sample, strict=True)), SHOWN)
    ]
    return sheet(rows, columns=[baseline, "restored", "one sample", "true"], cell=CELL)


def _native(picture: NDArray[np.float32]) -> Pixels:
    return from_float(picture, np.dtype(np.uint8))
