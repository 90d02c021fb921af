"""Restoring held-out patches, and how near they come to the truth; beside it what is made of them without learning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.condition import Condition
from defectgen.imaging.files import Mask, from_float
from defectgen.imaging.sheet import Rgb, sheet, to_rgb
from defectgen.learn.asked import Asked
from defectgen.learn.data import Example, Patches, spread
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import inpainting_of
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


def restored(restorer: Inpainter, lost: Sequence[Lost]) -> list[NDArray[np.float32]]:
    """The patches (C, H, W) as the network draws them, one sample each."""
    drawn: list[NDArray[np.float32]] = []
    with tqdm(total=len(lost), desc="restore", unit="patch", disable=None) as bar:
        for start in range(0, len(lost), BATCH):
            part = lost[start : start + BATCH]
            pictures, regions = np.stack([one.picture for one in part]), np.stack([one.given.region for one in part])
            asked = [Asked.only(restorer.classes, one.picture) for one in part]
            drawn.extend(restorer.fill(pictures, regions, [one.given for one in part], asked, [o.seed for o in part]))
            bar.update(len(part))
    return drawn


def figures(lost: Sequence[Lost], drawn: Sequence[NDArray[np.float32]], task: Restoration) -> pd.DataFrame:
    """One row per patch: image_id, psnr of the network's and psnr_trivial of the baseline's, in dB."""
    rows = [
        {
            "image_id": one.name,
            "psnr": psnr(picture, one.picture, one.given.region),
            "psnr_trivial": psnr(task.trivial(one.given), one.picture, one.given.region),
        }
        for one, picture in zip(lost, drawn, strict=True)
    ]
    return pd.DataFrame(rows)


def psnr(picture: NDArray[np.float32], truth: NDArray[np.float32], region: Mask) -> float:
    """Peak signal to noise ratio in dB of pictures (C, H, W) in [-1, 1], over the region (H, W), data range 2."""
    error = float(np.square(picture - truth, dtype=np.float64)[:, region].mean())
    return 10 * float(np.log10(4 / max(error, EXACT)))


def restoration_sheet(lost: Sequence[Lost], drawn: Sequence[NDArray[np.float32]], task: Restoration) -> Rgb:
    """A few patches as given, as the baseline and as the network make of them, and as they truly are."""
    rows = [
        [one.given.context, task.trivial(one.given), picture, one.picture]
        for one, picture in spread(list(zip(lost, drawn, strict=True)), SHOWN)
    ]
    native = [[to_rgb(from_float(picture, np.dtype(np.uint8))) for picture in row] for row in rows]
    return sheet(native, columns=["given", task.baseline, "restored", "true"], cell=CELL)
