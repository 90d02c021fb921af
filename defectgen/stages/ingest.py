"""ingest: read a source folder, copy it into a manifest, find the legal regions, assign the splits once.

Pictures that cannot be used are left out, each named once; where they are too many nothing is made of the others.
"""

import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pandas as pd
from jsonargparse.typing import ClosedUnitInterval, PositiveInt
from tqdm import tqdm

from defectgen import tracking
from defectgen.checks.picture import Sample, examine
from defectgen.checks.together import Seen, refuse_contradictions, torn_splits
from defectgen.errors import BadInput, UserError
from defectgen.formats import Layout, list_pictures
from defectgen.formats.records import Listing
from defectgen.imaging.files import Mask, pixel_hash, write_image, write_mask
from defectgen.imaging.region import Legal, Whole
from defectgen.manifest import GOOD, IMAGES, INSTANCES, SPLITS, Manifest, Row, image_row, make_id, mask_row, table
from defectgen.problems import Problem
from defectgen.splits import Fractions, assign_splits, keep_shots, merge_groups

PRINTED = 20  # pictures left out that are named on the screen; all are in problems.csv


def ingest(
    out: Path,
    name: str,
    seed: int,
    *,
    source: Path,
    layout: Layout = "auto",
    fractions: Fractions = Fractions(),  # noqa: B008 - frozen
    legal: Legal = Whole(),  # noqa: B008 - stateless
    tolerate: ClosedUnitInterval = 0.05,
    shots: PositiveInt | None = None,
) -> str:
    """Turn a folder of real pictures into the data set's first manifest.

    Args:
        out: folder the manifest is written to, and what was found wrong: problems.csv.
        name: name of the product, part of every id.
        seed: decides which group falls into which split.
        source: folder of pictures and masks.
        layout: how `source` is laid out; `auto` looks.
        fractions: share of each split.
        legal: where on a picture a defect may lie.
        tolerate: share of the pictures that may be unusable and are left out; one more and it fails.
        shots: learn from so many training pictures of each defect class and no more; the others join the reserve.
    """
    listing = list_pictures(source, layout)
    seen, images, instances = _copy(listing, out, name, legal)
    refuse_contradictions(seen, listing.problems)
    listing.problems.save(out / "problems.csv")
    lost = listing.problems.lost()
    kept = [one for one in seen if str(one.record.image) not in lost]
    _leave_out(lost, len(kept), tolerate, source)
    for tear in torn_splits(kept):
        raise tear
    manifest = _manifest(out, images, instances, kept)
    manifest.images["split"] = _splits(manifest, fractions, seed)
    if shots:
        manifest = _with_shots(manifest, shots, seed)
    digest = manifest.save()
    tracking.log_data_set(name, out, digest, "real", manifest.instances["label"].value_counts().to_dict())
    _summarise(manifest)
    return digest


def _copy(listing: Listing, out: Path, name: str, legal: Legal) -> tuple[list[Seen], list[Row], list[Row]]:
    """Write every picture that can be used by itself, its masks and its legal region; their rows of both tables."""
    seen: list[Seen] = []
    images: list[Row] = []
    instances: list[Row] = []
    for record in tqdm(listing.records, desc="ingest", unit="picture", disable=None):
        try:
            sample = examine(record, listing.problems)
        except BadInput as error:
            listing.problems.refuse(error, record.image)
            continue
        path = normalize("NFC", record.image.relative_to(listing.root).as_posix())
        image_id = make_id(name, path)
        region = _write_legal(legal(sample.pixels, record.image), image_id, out)
        images.append(_write_picture(sample, image_id, out, record.group or path) | region)
        instances += _write_defects(sample, image_id, out)
        seen.append(Seen.of(sample, images[-1]["image_sha256"]))
    return seen, images, instances


def _write_picture(sample: Sample, image_id: str, out: Path, group: str) -> Row:
    """A picture without a group is one by its own path, whatever the product is called: so are its splits."""
    path, record = f"images/{image_id}.png", sample.record
    write_image(out / path, sample.pixels)
    row = image_row(image_id, path, sample.pixels, record.split or "", group)
    return row | {"source_path": str(record.image)}


def _write_defects(sample: Sample, image_id: str, out: Path) -> list[Row]:
    rows = []
    for defect in sample.defects:
        instance_id = make_id(image_id, defect.annotation, defect.number)
        path = f"masks/{instance_id}.png"
        write_mask(out / path, defect.mask)
        rows.append(mask_row(instance_id, image_id, defect.label, path, defect.mask))
    return rows


def _write_legal(region: Mask | None, image_id: str, out: Path) -> Row:
    """Path and hash of the legal region's picture, "" where the whole picture is legal."""
    if region is None:
        return {"legal_path": "", "legal_sha256": ""}
    path = f"legal/{image_id}.png"
    write_mask(out / path, region)
    return {"legal_path": path, "legal_sha256": pixel_hash(region)}


def _leave_out(lost: dict[str, Problem], kept: int, tolerate: float, source: Path) -> None:
    """Name what is left out.

    Raises:
        UserError: it is too much.
    """
    command = f"`defectgen validate {shlex.quote(str(source))}` names them all"
    if not kept or len(lost) / (kept + len(lost)) > tolerate:
        first = next(iter(lost.values()))
        many = f"{len(lost)} of {kept + len(lost)} pictures cannot be used, ingest.tolerate is {tolerate:g}"
        raise UserError(f"{source}: {many}; {command}; the first: {first}")
    for problem in list(lost.values())[:PRINTED]:
        print(f"  left out: {problem}")
    if len(lost) > PRINTED:
        print(f"  left out: {len(lost) - PRINTED} more; {command}")


def _manifest(out: Path, images: list[Row], instances: list[Row], kept: list[Seen]) -> Manifest:
    """The tables of what is kept; what was written of other pictures before they were found out is deleted."""
    paths = {str(one.record.image) for one in kept}
    ids = {row["image_id"] for row in images if row["source_path"] in paths}
    everything = Manifest(out, table(images, IMAGES), table(instances, INSTANCES))
    manifest = _only(everything, everything.images["image_id"].isin(ids))
    manifest.images["group"] = merge_groups(list(manifest.images["group"]), list(manifest.images["image_sha256"]))
    return manifest


def _only(manifest: Manifest, kept: pd.Series) -> Manifest:
    """The pictures of the marked rows and their defects; the files of the others are deleted."""
    mine = manifest.instances["image_id"].isin(manifest.images.loc[kept, "image_id"])
    files = [manifest.images.loc[~kept, column] for column in ("image_path", "legal_path")]
    for path in pd.concat([*files, manifest.instances.loc[~mine, "mask_path"]]):
        if path:
            (manifest.folder / path).unlink(missing_ok=True)
    images, instances = manifest.images[kept], manifest.instances[mine]
    return Manifest(manifest.folder, images.reset_index(drop=True), instances.reset_index(drop=True))


def _with_shots(manifest: Manifest, shots: int, seed: int) -> Manifest:
    split = keep_shots(manifest.images, manifest.instances, shots, seed)
    return _only(replace(manifest, images=manifest.images.assign(split=split)), split != "")


def _splits(manifest: Manifest, fractions: Fractions, seed: int) -> pd.Series:
    """The supplied split where there is one, else a stratified one by group."""
    images = manifest.images
    if (images["split"] != "").all():
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
