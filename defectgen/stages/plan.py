"""plan: decide everything random about the data set before any pixel is drawn, one row per defect to draw."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, PositiveFloat, PositiveInt
from tqdm import tqdm

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.imaging.files import write_image
from defectgen.imaging.sheet import Rgb, outlined, sheet
from defectgen.joined import with_healed
from defectgen.manifest import Row, make_id, make_seed, write_table
from defectgen.planner import Page, Planner
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec


def plan(
    out: Path,
    ingest: Path,
    patch: Path,
    seed: int,
    name: str,
    heal: Path | None = None,
    *,
    per_class: PositiveInt = 120,
    per_picture: PositiveInt = 1,
    attempts: PositiveInt = 4,
    batch: PositiveInt = 16,
    scale: tuple[PositiveFloat, PositiveFloat] = (0.8, 1.25),
    turn: NonNegativeFloat = 10.0,
    shift: NonNegativeFloat = 0.1,
    other_class: ClosedUnitInterval = 0.0,
    pictures_per_shard: PositiveInt = 100,
) -> str:
    """Plan the synthetic data set.

    Args:
        out: folder plan.parquet and sheet.png are written to.
        ingest: folder of the real pictures.
        patch: folder of the DataSpec.
        seed: decides everything.
        name: product, part of every id.
        heal: folder of the healed pictures, which are clean pictures too; None where none were healed.
        per_class: defects to draw of each class.
        per_picture: the most defects on one picture.
        attempts: how often a defect is drawn until it passes the gates.
        batch: pictures in every network call; part of what makes a data set repeatable.
        scale: size of a shape over its donor's, drawn between these.
        turn: degrees a shape is turned on its part, at most.
        shift: standard deviation of a shape's place about its donor's, in units of the part.
        other_class: share of the defects whose donor is of another class, whose shape and place they take over; begun
            at its pixels (`generate.start: Donor`) they are real defects that change class.
        pictures_per_shard: pictures that are drawn together; any number gives the same data set.
    """
    source, spec = Source(with_healed(ingest, heal)), DataSpec.load(patch)
    if other_class and len(spec.classes) == 2:
        raise UserError("plan.other_class: there is no other class; leave it out")
    planner = Planner(source, spec.flips, scale, turn, shift)
    labels = [label for label in spec.classes[1:] for _ in range(per_class)]
    order = np.random.default_rng(make_seed(seed, "order")).permutation(len(labels))
    rows: list[Row] = []
    page, number = Page(0), -1
    for place in tqdm(order, desc="plan", unit="defect", disable=None):
        rng, like = np.random.default_rng(make_seed(seed, "row", place)), labels[place]
        if other_class and rng.random() < other_class:
            like = str(rng.choice([label for label in spec.classes[1:] if label != like]))
        spot = planner.find(like, page, rng) if 0 < len(page.rows) < page.wanted else None
        if spot is None:
            number += 1
            page = Page(int(rng.integers(1, per_picture + 1)))
            spot = planner.find(like, page, rng)
        if spot is None:
            raise UserError(f"{ingest}: no clean picture has room for {like}; widen ingest.legal or add some")
        image_id = make_id(name, "plan", seed, number)
        row = spot | {"plan_id": make_id(name, seed, place), "image_id": image_id, "label": labels[place]}
        row |= {"seed": make_seed(seed, "draw", place), "attempts": attempts, "batch": batch}
        rows.append(row | {"shard": number // pictures_per_shard})
        page.rows.append(row)
    table = pd.DataFrame(rows)
    write_table(out / PLAN, table)
    write_image(out / "sheet.png", plan_sheet(source, table, spec))
    tracking.log_picture(out / "sheet.png", "plan")
    print(f"  {len(table)} defects on {number + 1} pictures; look at {out}/sheet.png")
    return hashlib.sha256(table.drop(columns="shard").sort_values("plan_id").to_json().encode()).hexdigest()


def plan_sheet(source: Source, table: pd.DataFrame, spec: DataSpec, columns: int = 8) -> Rgb:
    """One row per class: whole clean pictures with the planned shapes outlined."""
    rows = []
    for label in spec.classes[1:]:
        few = [row for _, row in table[table["label"] == label].head(columns).iterrows()]
        rows.append([outlined(source.pixels(row["clean_id"]), source.planned_shape(row)) for row in few])
    return sheet(rows, spec.classes[1:], cell=160)
