"""The picture sheets of the page: generated defects beside real ones, rejected attempts, whole pictures.

What is shown is drawn by lot from fixed seeds among all there are, never chosen for its looks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.imaging.files import Mask, to_float
from defectgen.imaging.read import read_image, read_mask
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.sheet import Rgb
from defectgen.imaging.square import Square, shrink_mask
from defectgen.manifest import make_seed
from defectgen.page.run import Run, square_of
from defectgen.page.tiles import LABEL, REGION, SHAPE, tile, whole

ROWS, REALS, WHOLES, REJECTED = 8, 3, 12, 8  # the last per reason
MARGIN = 3.0  # pixels at 64 px about a label that belong to what is looked for in real patches
COLUMNS = ["clean", "region", "generated", "label", "nearest real", *["other real"] * REALS]
FLIPS: dict[str, Callable[[NDArray], NDArray]] = {
    "horizontal": lambda planes: planes[..., ::-1],
    "vertical": lambda planes: planes[..., ::-1, :],
    "transpose": lambda planes: planes.swapaxes(-1, -2),
}


@dataclass(frozen=True)
class Shown:
    """A picture and what stands under it."""

    picture: Rgb
    name: str
    note: str = ""


@dataclass(frozen=True)
class ClassSheet:
    """Generated defects of a class, one in a row of COLUMNS, beside real training defects."""

    label: str
    names: list[str]
    rows: list[list[Rgb]]


class RealDefects:
    """The training patches of one class."""

    def __init__(self, run: Run, label: str) -> None:
        self.run = run
        instances = run.patches.instances
        mine = instances.loc[instances["label"] == label, ["image_id", "donor_id"]]
        images = run.patches.images
        self.patches = images[images["split"] == "train"].merge(mine, on="image_id").sort_values("image_id")
        self.small = [to_float(run.patches.read(row)) for _, row in self.patches.iterrows()]

    def nearest(self, patch: NDArray[np.float32], label: Mask) -> tuple[pd.Series, tuple[str, ...]]:
        """The patch in which what is labelled in (C, size, size) is found again best, and how it is mirrored for that.

        Measured by the highest correlation of the label's box, a little grown, with any place of the patch.
        """
        sought = planes_last(patch[:, *box(grow(label, MARGIN))])
        found = [
            (-similarity(planes_last(mirrored(small, flips)), sought), number, flips)
            for flips in subsets(self.run.spec.flips)
            for number, small in enumerate(self.small)
        ]
        _, number, flips = min(found)
        return self.patches.iloc[number], flips

    def others(self, than: pd.Series, count: int, rng: np.random.Generator) -> pd.DataFrame:
        """Patches of other defects drawn by lot, of as many different parts as there are."""
        shuffled = _by_lot(self.patches, len(self.patches), rng)
        defects = pd.concat([than.to_frame().T, shuffled]).drop_duplicates("donor_id")
        turns = defects.groupby("group").cumcount().sort_values(kind="stable")
        return defects.loc[turns.index[1 : 1 + count]]

    def tile(self, row: pd.Series, flips: Sequence[str] = ()) -> Rgb:
        """A patch as it looks at native scale, mirrored."""
        square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
        pixels = square.cut(self.run.real.pixels(row["source_id"]))
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return tile(planes_last(mirrored(planes, flips)))


def class_sheet(run: Run, label: str) -> ClassSheet:
    """Up to ROWS accepted defects of the class."""
    rng = np.random.default_rng(make_seed("report", label))
    accepted = run.accepted()
    few = _by_lot(accepted[accepted["label"] == label].sort_values("instance_id"), ROWS, rng)
    real = RealDefects(run, label)
    rows = [_drawn(run, row) + _beside(run, real, row, rng) for _, row in few.iterrows()]
    return ClassSheet(label, [f"{row['instance_id'][:8]}\n{row['side']} px" for _, row in few.iterrows()], rows)


def rejected(run: Run) -> dict[str, list[Shown]]:
    """Reason -> a few attempts rejected for it, planned shape and label outlined."""
    attempts = run.drawn.manifest.instances
    attempts = attempts[(attempts["status"] == "rejected") & (attempts["crop_path"] != "")]
    return {
        str(reason): [
            _rejected(run, row)
            for _, row in _by_lot(few, REJECTED, np.random.default_rng(make_seed("report", reason))).iterrows()
        ]
        for reason, few in attempts.sort_values("instance_id").groupby("reason")
    }


def wholes(run: Run) -> list[Shown]:
    """Up to WHOLES synthetic pictures with their labels outlined."""
    images = run.drawn.manifest.images.sort_values("image_id")
    accepted = run.accepted()
    shown = []
    for _, image in _by_lot(images, WHOLES, np.random.default_rng(make_seed("report", "wholes"))).iterrows():
        defects = accepted[accepted["image_id"] == image["image_id"]]
        mask = np.logical_or.reduce([run.drawn.manifest.read_mask(row) for _, row in defects.iterrows()])
        picture = whole(run.drawn.pixels(image["image_id"]), mask)
        shown.append(Shown(picture, ", ".join(defects["label"]), image["image_id"]))
    return shown


def subsets(flips: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every choice of some of the mirrorings, none of them first."""
    for chosen in product((False, True), repeat=len(flips)):
        yield tuple(flip for flip, wanted in zip(flips, chosen, strict=True) if wanted)


def mirrored(planes: NDArray, flips: Sequence[str]) -> NDArray:
    """(..., H, W) planes mirrored in turn."""
    for flip in flips:
        planes = FLIPS[flip](planes)
    return planes


def similarity(where: NDArray[np.float32], what: NDArray[np.float32]) -> float:
    """The highest correlation of one picture (h, w[, 3]) with any place of another (H, W[, 3]), in [-1, 1]."""
    return float(cv2.matchTemplate(where, what, cv2.TM_CCOEFF_NORMED).max())


def planes_last(planes: NDArray) -> NDArray:
    """(C, H, W) as (H, W) or (H, W, 3)."""
    return np.ascontiguousarray(planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0))


def box(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns a mask covers."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _by_lot(rows: pd.DataFrame, count: int, rng: np.random.Generator) -> pd.DataFrame:
    return rows.iloc[rng.permutation(len(rows))[:count]]


def _drawn(run: Run, row: pd.Series) -> list[Rgb]:
    """clean, region, generated, label."""
    square = square_of(row)
    clean = square.cut(run.real.pixels(row["clean_id"]))
    generated = square.cut(run.drawn.pixels(row["image_id"]))
    shape, label = _shape(run, row), square.cut(run.drawn.manifest.read_mask(row))
    region = grow(shrink_mask(shape, run.spec.size), REACH)
    return [
        tile(clean),
        tile(clean, (region, REGION), (shape, SHAPE)),
        tile(generated),
        tile(generated, (label, LABEL)),
    ]


def _beside(run: Run, real: RealDefects, row: pd.Series, rng: np.random.Generator) -> list[Rgb]:
    """nearest real, other real; fewer where there are not as many."""
    if not real.small:
        return []
    label = shrink_mask(square_of(row).cut(run.drawn.manifest.read_mask(row)), run.spec.size)
    nearest, flips = real.nearest(run.generated_patch(row), label)
    return [real.tile(nearest, flips), *[real.tile(other) for _, other in real.others(nearest, REALS, rng).iterrows()]]


def _rejected(run: Run, row: pd.Series) -> Shown:
    folder = run.drawn.manifest.folder
    crop, label = read_image(folder / row["crop_path"]), read_mask(folder / row["label_path"])
    score = row.get(f"score_{row['reason']}")
    note = row["reason"] if score is None else f"{row['reason']} {score:.2f}"
    return Shown(tile(crop, (_shape(run, row), SHAPE), (label, LABEL)), row["label"], note)


def _shape(run: Run, row: pd.Series) -> Mask:
    """The planned shape within the attempt's square."""
    return square_of(row).cut(run.real.planned_shape(row))
