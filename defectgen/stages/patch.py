"""patch: cut square training regions around each defect and out of clean surface, at 64 px."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jsonargparse.typing import NonNegativeInt, PositiveInt
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.imaging.caption import near_edge
from defectgen.imaging.files import to_float, write_image, write_mask
from defectgen.imaging.frame import Frame
from defectgen.imaging.sheet import Rgb, outlined, sheet, to_rgb
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.manifest import GOOD, IMAGES, INSTANCES, Manifest, Row, image_row, make_id, make_seed, mask_row, table
from defectgen.source import Source
from defectgen.spec import DataSpec

SIZE = 64
SPLITS_CUT = ("train", "val")


def patch(
    out: Path,
    ingest: Path,
    seed: int,
    *,
    crops: PositiveInt = 4,
    good: NonNegativeInt = 1500,
    flips: list[Literal["horizontal", "vertical", "transpose"]] | None = None,
) -> str:
    """Cut the training and validation regions and measure the DataSpec.

    Args:
        out: folder the manifest, spec.yaml and sheet.png are written to.
        ingest: folder of the ingested pictures.
        seed: decides sides, offsets and places.
        crops: regions cut around each defect, each with another side and offset.
        good: regions of clean surface in the training split (in validation: in proportion).
        flips: mirrorings under which the product still looks like itself.
    """
    source = Source(Manifest.load(ingest))
    _check(source)
    images: list[Row] = []
    instances: list[Row] = []
    cuts = _defect_cuts(source, crops, seed) + _good_cuts(source, good, seed)
    for cut in tqdm(sorted(cuts, key=lambda cut: cut.image_id), desc="patch", unit="region", disable=None):
        pixels = shrink(cut.square.cut(source.pixels(cut.image_id)), SIZE)
        path = f"images/{cut.patch_id}.png"
        write_image(out / path, pixels)
        row = source.images.loc[cut.image_id]
        place = {"source_id": cut.image_id, "x": cut.square.x, "y": cut.square.y, "side": cut.square.side}
        images.append(image_row(cut.patch_id, path, pixels, row["split"], row["group"]) | place)
        if cut.instance_id:
            mask = shrink_mask(cut.square.cut(source.defects_like(cut.instance_id)), SIZE)
            write_mask(out / f"masks/{cut.patch_id}.png", mask)
            label = source.instances.loc[cut.instance_id, "label"]
            defect = mask_row(cut.patch_id, cut.patch_id, label, f"masks/{cut.patch_id}.png", mask)
            instances.append(defect | {"donor_id": cut.instance_id, "at_edge": _at_edge(source, cut)})
    manifest = Manifest(out, table(images, IMAGES), table(instances, INSTANCES))
    spec = _measure(manifest, list(flips or []))
    spec.save(out)
    write_image(out / "sheet.png", patch_sheet(manifest, spec))
    tracking.log_picture(out / "sheet.png", "patches")
    print(f"  {len(images)} regions, {len(instances)} with a defect; look at {out}/sheet.png")
    return manifest.save()


def _at_edge(source: Source, cut: "Cut") -> bool:
    shape = source.shape(cut.image_id)
    allowed = cut.square.allowed(shape, source.legal(cut.image_id))
    return near_edge(cut.square.cut(source.defects_like(cut.instance_id)), allowed)


@dataclass(frozen=True)
class Cut:
    """One region to cut; without an instance it is clean surface."""

    image_id: str
    instance_id: str
    square: Square
    patch_id: str


def _check(source: Source) -> None:
    """What every later stage needs, found missing now and not after the training."""
    folder, shown = source.manifest.folder, set(source.defects("train")["label"])
    if not source.clean("train"):
        raise UserError(f"{folder}: no clean picture in the training split; add some or change ingest.fractions")
    for label in source.manifest.labels() or ["defect"]:
        if label not in shown:
            raise UserError(f"{folder}: no {label} in the training split; add some or change ingest.fractions")


def _defect_cuts(source: Source, crops: int, seed: int) -> list[Cut]:
    """`crops` regions about every defect of train and val."""
    cuts = []
    for split in SPLITS_CUT:
        for instance_id, row in source.defects(split).iterrows():
            for number in range(crops):
                rng = np.random.default_rng(make_seed(seed, instance_id, number))
                square = Square.around(tuple(row[["x", "y", "w", "h"]]), source.shape(row["image_id"]), rng)
                cuts.append(Cut(row["image_id"], str(instance_id), square, make_id(instance_id, number)))
    return cuts


def _good_cuts(source: Source, count: int, seed: int) -> list[Cut]:
    """Clean regions with the sizes of the training defects' regions, half of them where defects lie."""
    donors = source.defects("train")
    frames = {image_id: source.frame(image_id) for image_id in donors["image_id"].unique()}
    cuts = []
    for split in SPLITS_CUT:
        clean = source.clean(split)
        wanted = count if split == "train" else round(count * len(clean) / max(1, len(source.clean("train"))))
        for number in range(wanted if clean else 0):
            rng = np.random.default_rng(make_seed(seed, GOOD, split, number))
            image_id, donor = clean[rng.integers(len(clean))], donors.iloc[rng.integers(len(donors))]
            centre = _place(source, image_id, donor, frames[donor["image_id"]], rng)
            half_w, half_h = donor["w"] / 2, donor["h"] / 2
            box = (round(centre[0] - half_w), round(centre[1] - half_h), donor["w"], donor["h"])
            square = Square.around(box, source.shape(image_id), rng)
            cuts.append(Cut(image_id, "", square, make_id(image_id, GOOD, number)))
    return cuts


def _place(
    source: Source, image_id: str, donor: pd.Series, frame: Frame, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Where the donor lies on its own part, or anywhere legal."""
    if rng.random() < 0.5:
        place = frame.inward(np.array([donor["x"] + donor["w"] / 2, donor["y"] + donor["h"] / 2]))
        return source.frame(image_id).outward(place)
    legal = source.legal(image_id)
    if legal is None:
        return rng.uniform([0, 0], source.shape(image_id)[::-1])
    points = np.argwhere(legal)
    return points[rng.integers(len(points)), ::-1].astype(float)


def _measure(manifest: Manifest, flips: list[str]) -> DataSpec:
    """The DataSpec of the training patches; all pictures must have the same number of channels."""
    images = manifest.images
    if images["channels"].nunique() > 1:
        raise UserError(f"{manifest.folder}: grey and colour pictures are mixed; convert one kind")
    train = images[images["split"] == "train"]
    values = np.concatenate([to_float(manifest.read(row)).ravel() for _, row in train.iterrows()])
    return DataSpec(int(images["channels"].iloc[0]), [GOOD, *manifest.labels()], float(values.std()), SIZE, flips)


def patch_sheet(manifest: Manifest, spec: DataSpec, columns: int = 12) -> Rgb:
    """One row per class: training regions with their masks outlined."""
    images = manifest.images[manifest.images["split"] == "train"].set_index("image_id", drop=False)
    defects = manifest.instances[manifest.instances["image_id"].isin(images.index)]
    spare = images[~images.index.isin(defects["image_id"])]
    rows = [[to_rgb(manifest.read(row)) for _, row in spare.head(columns).iterrows()]]
    for label in spec.classes[1:]:
        few = defects[defects["label"] == label].sort_values("instance_id").head(columns)
        masks = [(images.loc[row["image_id"]], manifest.read_mask(row)) for _, row in few.iterrows()]
        rows.append([outlined(manifest.read(image), mask) for image, mask in masks])
    return sheet(rows, spec.classes, cell=SIZE * 2)
