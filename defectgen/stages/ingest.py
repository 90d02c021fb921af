"""ingest: read a source folder, copy it into a manifest, find the legal regions, assign the splits once."""

from collections import Counter
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.formats import READERS
from defectgen.formats.folders import TABLE
from defectgen.formats.records import Reader
from defectgen.imaging.files import Mask, Pixels, pixel_hash, read_image, read_mask, write_image, write_mask
from defectgen.imaging.region import Legal, Whole, grow
from defectgen.manifest import GOOD, IMAGES, INSTANCES, SPLITS, Manifest, Row, image_row, make_id, mask_row, table
from defectgen.splits import Fractions, assign_splits, merge_groups

JOIN = 0.02  # fragments nearer than this share of the picture's diagonal are one defect


def ingest(
    out: Path,
    name: str,
    seed: int,
    *,
    source: Path,
    layout: Literal["auto", "mvtec", "folders"] = "auto",
    fractions: Fractions = Fractions(),  # noqa: B008 - frozen
    legal: Legal = Whole(),  # noqa: B008 - stateless
) -> str:
    """Turn a folder of real pictures into the data set's first manifest.

    Args:
        out: folder the manifest is written to.
        name: name of the product, part of every id.
        seed: decides which group falls into which split.
        source: folder of pictures and masks.
        layout: how `source` is laid out; `auto` looks.
        fractions: share of each split.
        legal: where on a picture a defect may lie.
    """
    records = _reader(source, layout).read(source)
    if not records:
        raise UserError(f"{source}: no pictures found; put clean ones into {source}/{GOOD}")
    images: list[Row] = []
    instances: list[Row] = []
    for record in tqdm(records, desc="ingest", unit="picture", disable=None):
        pixels = read_image(record.image)
        masks = [(annotation.label, _fitting_mask(annotation.mask, pixels)) for annotation in record.annotations]
        image_id = make_id(name, record.image.relative_to(source).as_posix())
        write_image(out / f"images/{image_id}.png", pixels)
        row = image_row(image_id, f"images/{image_id}.png", pixels, record.split or "", record.group or image_id)
        region = _write_legal(legal(pixels, record.image), image_id, out)
        images.append(row | {"source_path": str(record.image)} | region)
        for annotation, (label, mask) in enumerate(masks):
            for number, part in enumerate(split_defects(mask)):
                instance_id = make_id(image_id, annotation, number)
                write_mask(out / f"masks/{instance_id}.png", part)
                instances.append(mask_row(instance_id, image_id, label, f"masks/{instance_id}.png", part))
    manifest = Manifest(out, table(images, IMAGES), table(instances, INSTANCES))
    manifest.images["group"] = merge_groups(list(manifest.images["group"]), list(manifest.images["image_sha256"]))
    manifest.images["split"] = _splits(manifest, fractions, seed)
    digest = manifest.save()
    tracking.log_data_set(name, out, digest, "real", manifest.instances["label"].value_counts().to_dict())
    _summarise(manifest)
    return digest


def split_defects(mask: Mask) -> list[Mask]:
    """The separate defects of one mask: fragments within JOIN of each other stay together."""
    reach = JOIN * np.hypot(*mask.shape) / 2
    count, numbered = cv2.connectedComponents(grow(mask, reach).astype(np.uint8))
    return [mask & (numbered == number) for number in range(1, count)]


def _reader(source: Path, layout: str) -> Reader:
    if not source.is_dir():
        raise UserError(f"{source}: no such folder; set ingest.source")
    if layout != "auto":
        return READERS[layout]
    for reader in READERS.values():
        if reader.recognises(source):
            return reader
    raise UserError(f"{source}: neither {GOOD}/ with class folders, {TABLE} nor MVTec AD; see the README")


def _fitting_mask(path: Path, pixels: Pixels) -> Mask:
    mask = read_mask(path)
    if mask.shape != pixels.shape[:2]:
        raise UserError(f"{path}: {mask.shape} does not fit its picture {pixels.shape[:2]}; draw it anew")
    if not mask.any():
        raise UserError(f"{path}: empty mask; draw the defect or move its picture to {GOOD}/")
    return mask


def _write_legal(region: Mask | None, image_id: str, out: Path) -> Row:
    """Path and hash of the legal region's picture, "" where the whole picture is legal."""
    if region is None:
        return {"legal_path": "", "legal_sha256": ""}
    path = f"legal/{image_id}.png"
    write_mask(out / path, region)
    return {"legal_path": path, "legal_sha256": pixel_hash(region)}


def _splits(manifest: Manifest, fractions: Fractions, seed: int) -> pd.Series:
    """The supplied split where every picture has one, else a stratified one by group."""
    images = manifest.images
    supplied = images["split"] != ""
    if supplied.any() and not supplied.all():
        raise UserError(f"{images.loc[~supplied, 'source_path'].iloc[0]}: no split, others have one; fill the column")
    if supplied.all():
        torn = images.groupby("group")["split"].nunique()
        if (torn > 1).any():
            paths = images[images["group"] == torn.idxmax()].drop_duplicates("split")["source_path"]
            raise UserError(f"{paths.iloc[0]} and {paths.iloc[1]}: one group or content in two splits; mend the table")
        return images["split"]
    first = manifest.instances.drop_duplicates("image_id").set_index("image_id")["label"].to_dict()
    labels = pd.Series([first.get(image_id, GOOD) for image_id in images["image_id"]], images.index, name="label")
    return images["group"].map(assign_splits(pd.crosstab(images["group"], labels), fractions, seed))


def _summarise(manifest: Manifest) -> None:
    splits = manifest.images.set_index("image_id")["split"]
    clean = manifest.images.loc[~manifest.images["image_id"].isin(manifest.instances["image_id"]), "split"]
    per_label = {GOOD: Counter(clean)}
    for label, defects in manifest.instances.groupby("label"):
        per_label[str(label)] = Counter(defects["image_id"].map(splits))
    for label, counts in per_label.items():
        print(f"  {label:20s} " + "  ".join(f"{split} {counts[split]:4d}" for split in SPLITS))
