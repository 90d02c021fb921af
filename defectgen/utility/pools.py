"""The pictures that arms add to the real ones: one function per kind, all from the same materials.

Nothing here touches a clean picture that is held out for reading the seam, except `seam_pairs`, which reads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from tqdm import tqdm

from defectgen.evidence import REPAINTS
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.poisson import membrane
from defectgen.imaging.read import read_image, read_mask
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square
from defectgen.manifest import Manifest, make_seed
from defectgen.source import Source
from defectgen.spec import DataSpec
from defectgen.utility import perlin as procedural
from defectgen.utility.pictures import load, picture
from defectgen.utility.types import UNKNOWN, Picture

HELD = 0.1  # share of the clean training pictures held out for reading the seam
LARGEST = 1 / 3  # share of them that a group may be to be held out: reading the seam must not cost the arms more


@dataclass(frozen=True)
class Materials:
    """What arms are made of.

    source: the real pictures, and healed ones where defects are drawn on such. generated: what `generate` wrote. plan:
    its plan. repaints: its rows on a real picture whose square was repainted as good. size: side of the detectors'
    pictures. seed: decides the procedural anomalies. held: ids of clean pictures kept from every arm.
    """

    source: Source
    generated: Manifest
    plan: pd.DataFrame
    repaints: pd.DataFrame
    spec: DataSpec
    size: int
    seed: int
    held: frozenset[str]

    @classmethod
    def of(cls, source: Source, generated: Manifest, plan: pd.DataFrame, spec: DataSpec, size: int, seed: int) -> Self:
        """With repainted clean pictures held out, drawn by lot, whole groups, and no more than a share of all clean.

        One group is held out even if it is more than that share, and none if there are large ones only.
        """
        repaints, clean = pd.read_parquet(generated.folder / REPAINTS), source.images.loc[source.clean("train")]
        real = clean[~clean["synthetic"]]  # a healed picture is not untouched
        repaints = repaints[repaints["clean_id"].isin(real.index)]
        lot, sizes = np.random.default_rng(make_seed(seed, "held")), real["group"].value_counts()
        small = sizes.index[sizes <= LARGEST * len(real)]
        groups = lot.permutation(sorted(small.intersection(real.loc[repaints["clean_id"], "group"])))
        few = groups[: max(1, int((sizes.reindex(groups).cumsum() <= HELD * len(real)).sum()))]
        held = frozenset(clean.index[clean["group"].isin(few)])
        return cls(source, generated, plan, repaints, spec, size, seed, held)

    def rows(self) -> pd.DataFrame:
        """The plan's rows on clean pictures that are not held out, by plan id."""
        return self.plan[~self.plan["clean_id"].isin(self.held)].sort_values("plan_id")

    def clean(self, row: pd.Series) -> Pixels:
        """The clean picture of a plan row."""
        return self.source.pixels(row["clean_id"])

    def picture(self, kind: str, row: pd.Series, pixels: Pixels, *masks: tuple[int, Mask]) -> Picture:
        """A picture made on a plan row's clean one, at the detectors' size."""
        group = self.source.images.loc[row["clean_id"], "group"]
        return picture(f"{kind}-{row['plan_id']}", group, pixels, masks, self.spec, self.size)


def nothing(materials: Materials) -> list[Picture]:
    """No pictures."""
    return []


def copy_paste(materials: Materials) -> list[Picture]:
    """The real training defects pasted, in the gradient domain, where the plan puts their shapes."""
    pictures = []
    for row in _each(materials.rows(), "copy and paste"):
        own = row.drop(["elastic", "drawn"], errors="ignore")  # the donor's shape, not one drawn anew
        shape = materials.source.planned_shape(own)
        pasted = membrane(materials.clean(row), materials.source.donated(row), grow(shape, REACH * row["side"] / 64))
        label = materials.source.instances.loc[row["donor_id"], "label"]  # the planned one may be another
        pictures.append(materials.picture("copy_paste", row, pasted, (materials.spec.number(label), shape)))
    return pictures


def perlin(materials: Materials) -> list[Picture]:
    """Procedural anomalies about the planned places, of no class, filled from other clean training pictures."""
    source, pictures = materials.source, []
    others = [image_id for image_id in source.clean("train") if image_id not in materials.held]
    for row in _each(materials.rows(), "perlin"):
        rng = np.random.default_rng(make_seed(materials.seed, "perlin", row["plan_id"]))
        choice = [image_id for image_id in others if image_id != row["clean_id"]] or others
        other = source.pixels(choice[rng.integers(len(choice))])
        clean, shape, legal = materials.clean(row), source.planned_shape(row), source.legal(row["clean_id"])
        drawn, mask = procedural.anomaly(clean, other, _square(row), shape, legal, rng)
        pictures.append(materials.picture("perlin", row, drawn, (UNKNOWN, mask)))
    return pictures


def ungated(materials: Materials) -> list[Picture]:
    """The first attempt at every planned defect, alone on its picture, whatever the gates said.

    What has an empty label is labelled with the planned shape: without gates nobody would know.
    """
    folder, attempts = materials.generated.folder, materials.generated.instances
    first = attempts[(attempts["attempt"] == 0) & (attempts["crop_path"] != "")].set_index("plan_id")
    rows = materials.rows()
    pictures = []
    for row in _each(rows[rows["plan_id"].isin(first.index)], "ungated"):
        attempt = first.loc[row["plan_id"]]
        clean, label = materials.clean(row), read_mask(folder / attempt["label_path"])
        drawn = _put(clean, row, read_image(folder / attempt["crop_path"]))
        mask = _put(np.zeros(clean.shape[:2], bool), row, label)
        mask = mask if mask.any() else materials.source.planned_shape(row)
        pictures.append(materials.picture("ungated", row, drawn, (materials.spec.number(row["label"]), mask)))
    return pictures


def selected(materials: Materials) -> list[Picture]:
    """The synthetic pictures as `generate` selected them."""
    generated, images = materials.generated, materials.generated.images
    free = Manifest(generated.folder, images[~images["clean_id"].isin(materials.held)], generated.instances)
    return load(Source(free), materials.spec, "train", materials.size)


def sham(materials: Materials) -> list[Picture]:
    """Clean pictures repainted as good in a planned place: whatever the composite leaves behind, and no defect."""
    repaints = materials.repaints
    return _shams(materials, repaints[~repaints["clean_id"].isin(materials.held)])


def reserve(materials: Materials) -> list[Picture]:
    """The real defects of the split `reserve`."""
    pictures = load(materials.source, materials.spec, "reserve", materials.size)
    return [real for real in pictures if not real.good]


def seam_pairs(materials: Materials) -> tuple[list[Picture], list[Picture]]:
    """The held-out clean pictures that were repainted: untouched, and in the same order as shams."""
    rows = materials.repaints[materials.repaints["clean_id"].isin(materials.held)]
    untouched = [materials.picture("untouched", row, materials.clean(row)) for _, row in rows.iterrows()]
    return untouched, _shams(materials, rows)


def _shams(materials: Materials, rows: pd.DataFrame) -> list[Picture]:
    drawn = [
        (row, _put(materials.clean(row), row, read_image(materials.generated.folder / row["crop_path"])))
        for row in _each(rows, "sham")
    ]
    return [materials.picture("sham", row, pixels) for row, pixels in drawn]


def _each(rows: pd.DataFrame, name: str) -> Iterator[pd.Series]:
    for _, row in tqdm(rows.iterrows(), desc=name, total=len(rows), unit="picture", disable=None):
        yield row


def _square(row: pd.Series) -> Square:
    return Square(int(row["x"]), int(row["y"]), int(row["side"]))


def _put(picture: Pixels, row: pd.Series, crop: Pixels) -> Pixels:
    """A copy of a picture, or mask, with the crop in the plan row's square."""
    place, inside = _square(row).inside(picture.shape)
    whole = picture.copy()
    whole[place] = crop[inside]
    return whole
