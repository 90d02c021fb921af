"""plan: decide everything random about the data set before any pixel is drawn, one row per defect to draw."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse.typing import NonNegativeFloat, PositiveFloat, PositiveInt
from tqdm import tqdm

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.imaging.files import Mask, write_image
from defectgen.imaging.frame import Frame
from defectgen.imaging.place import Affine, carry, draw_mirror, warp_mask
from defectgen.imaging.region import grow
from defectgen.imaging.sheet import Rgb, outlined, sheet
from defectgen.imaging.square import Square
from defectgen.manifest import Manifest, Row, make_id, make_seed, write_table
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec

PICTURES_TRIED, PLACES_TRIED = 30, 8
KEPT = 0.9  # share of a shape that must lie inside the picture


def plan(
    out: Path,
    ingest: Path,
    patch: Path,
    seed: int,
    name: str,
    *,
    per_class: PositiveInt = 120,
    per_picture: PositiveInt = 1,
    attempts: PositiveInt = 4,
    batch: PositiveInt = 16,
    scale: tuple[PositiveFloat, PositiveFloat] = (0.8, 1.25),
    turn: NonNegativeFloat = 10.0,
    shift: NonNegativeFloat = 0.1,
    pictures_per_shard: PositiveInt = 100,
) -> str:
    """Plan the synthetic data set.

    Args:
        out: folder plan.parquet and sheet.png are written to.
        ingest: folder of the real pictures.
        patch: folder of the DataSpec.
        seed: decides everything.
        name: product, part of every id.
        per_class: defects to draw of each class.
        per_picture: the most defects on one picture.
        attempts: how often a defect is drawn until it passes the gates.
        batch: pictures in every network call; part of what makes a data set repeatable.
        scale: size of a shape over its donor's, drawn between these.
        turn: degrees a shape is turned on its part, at most.
        shift: standard deviation of a shape's place about its donor's, in units of the part.
        pictures_per_shard: pictures that are drawn together; any number gives the same data set.
    """
    source, spec = Source(Manifest.load(ingest)), DataSpec.load(patch)
    planner = Planner(source, spec.flips, scale, turn, shift)
    labels = [label for label in spec.classes[1:] for _ in range(per_class)]
    order = np.random.default_rng(make_seed(seed, "order")).permutation(len(labels))
    rows: list[Row] = []
    page, number = Page(0), -1
    for place in tqdm(order, desc="plan", unit="defect", disable=None):
        rng = np.random.default_rng(make_seed(seed, "row", place))
        spot = planner.find(labels[place], page, rng) if 0 < len(page.rows) < page.wanted else None
        if spot is None:
            number += 1
            page = Page(int(rng.integers(1, per_picture + 1)))
            spot = planner.find(labels[place], page, rng)
        if spot is None:
            raise UserError(f"{ingest}: no clean picture has room for {labels[place]}; widen ingest.legal or add some")
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


@dataclass
class Page:
    """A synthetic picture being planned: its clean picture, its defects, the pixels they may repaint."""

    wanted: int
    rows: list[Row] = field(default_factory=list)
    clean_id: str = ""
    taken: Mask | None = None


class Planner:
    """Finds places for shapes: where the donor sits on its own part, give or take."""

    def __init__(self, source: Source, flips: list[str], scale: tuple[float, float], turn: float, shift: float) -> None:
        self.source, self.flips = source, flips
        self.scale, self.turn, self.shift = scale, turn, shift
        self.clean, self.donors = source.clean("train"), source.defects("train")
        if not self.clean:
            raise UserError(f"{source.manifest.folder}: no clean training pictures to draw on; add some")
        self.frames: dict[str, Frame] = {}

    def find(self, label: str, page: Page, rng: np.random.Generator) -> Row | None:
        """The plan of a defect of a class on the page, or None if no place was found; fills the page's picture."""
        donors = self.donors[self.donors["label"] == label]
        for _ in range(1 if page.clean_id else PICTURES_TRIED):
            clean_id = page.clean_id or self.clean[rng.integers(len(self.clean))]
            legal = self.source.legal(clean_id)
            for attempt in range(PLACES_TRIED):
                donor = donors.iloc[rng.integers(len(donors))]
                affine = self._affine(donor, clean_id, rng, self.shift * (1 + attempt))
                spot = self._try(donor, affine, clean_id, legal, page, rng)
                if spot is not None:
                    return spot
        return None

    def _affine(self, donor: pd.Series, clean_id: str, rng: np.random.Generator, shift: float) -> Affine:
        own, other = self._frame(donor["image_id"]), self._frame(clean_id)
        whole = not self.source.images.loc[donor["image_id"], "legal_path"]
        mirror = draw_mirror(self.flips, whole, rng)
        centre = np.array([donor["x"] + donor["w"] / 2, donor["y"] + donor["h"] / 2])
        scale, turn = rng.uniform(*self.scale), rng.uniform(-self.turn, self.turn)
        return carry(centre, own, other, mirror, scale, turn, rng.normal(0, shift, 2))

    def _try(
        self, donor: pd.Series, affine: Affine, clean_id: str, legal: Mask | None, page: Page, rng: np.random.Generator
    ) -> Row | None:
        """The row of this place if the shape is legal there, in the picture and clear of the page's other defects."""
        height, width = self.source.shape(clean_id)
        donor_mask = self.source.manifest.read_mask(donor)
        shape = warp_mask(donor_mask, affine, (height, width))
        full = donor_mask.sum() * abs(np.linalg.det(affine[:, :2]))
        if not shape.any() or shape.sum() < KEPT * full or (legal is not None and (shape & ~legal).any()):
            return None
        columns, lines = np.flatnonzero(shape.any(axis=0)), np.flatnonzero(shape.any(axis=1))
        box = (columns[0], lines[0], columns[-1] - columns[0] + 1, lines[-1] - lines[0] + 1)
        square = Square.around(box, (height, width), rng)
        repainted = grow(shape, 4 * square.side / 64)
        if page.taken is not None and (page.taken & repainted).any():
            return None
        page.clean_id = clean_id
        page.taken = repainted if page.taken is None else page.taken | repainted
        return {
            "clean_id": clean_id,
            "donor_id": donor["instance_id"],
            "transform": affine.ravel().tolist(),
            "x": square.x,
            "y": square.y,
            "side": square.side,
        }

    def _frame(self, image_id: str) -> Frame:
        if image_id not in self.frames:
            self.frames[image_id] = self.source.frame(image_id)
        return self.frames[image_id]


def plan_sheet(source: Source, table: pd.DataFrame, spec: DataSpec, columns: int = 8) -> Rgb:
    """One row per class: whole clean pictures with the planned shapes outlined."""
    rows = []
    for label in spec.classes[1:]:
        few = [row for _, row in table[table["label"] == label].head(columns).iterrows()]
        rows.append([outlined(source.pixels(row["clean_id"]), source.planned_shape(row)) for row in few])
    return sheet(rows, spec.classes[1:], cell=160)
