"""Finding places for shapes: many are proposed, and one is taken whose surroundings look like the donor's own."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.errors import UserError
from defectgen.imaging.files import Mask
from defectgen.imaging.frame import Frame
from defectgen.imaging.label import SMALL
from defectgen.imaging.place import Affine, carry, draw_mirror, slide
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square
from defectgen.manifest import Row
from defectgen.source import Source
from defectgen.surroundings import Donor, Surroundings

ROUNDS = 12  # donors tried, ever farther from their own places, before a class counts as one without room
PICTURES, PLACES = 3, 30  # proposals: clean pictures, and places on each
REFINED, NEAR, NUDGE = 4, 12, 0.15  # the best so many are moved so many times by so many sizes of the shape
CHECKED = 8  # places looked at pixel by pixel, best first
KEPT = 0.9  # share of a shape that must lie inside the picture
ON_PART = 0.55  # share of a shape that must lie on the part; annotators draw past its edge
APART = REACH + 1  # pixels at 64 px about a shape that no other defect of the picture may repaint
FEW = 5  # training defects; where a class has fewer, every other shape is drawn


@dataclass
class Page:
    """A synthetic picture being planned: its clean picture, its defects, the pixels they may repaint."""

    wanted: int
    rows: list[Row] = field(default_factory=list)
    clean_id: str = ""
    taken: Mask | None = None

    def is_free(self, pixels: Mask) -> bool:
        """Whether none of its defects may repaint one of these."""
        return self.taken is None or not (self.taken & pixels).any()

    def take(self, clean_id: str, pixels: Mask) -> None:
        """A defect on that picture may repaint these."""
        self.clean_id = clean_id
        self.taken = pixels if self.taken is None else self.taken | pixels


@dataclass(frozen=True)
class Proposals:
    """Places by their likeness to the donor's, best first: clean pictures' ids, maps (K, 2, 3), distances (K,)."""

    clean: list[str]
    affines: NDArray[np.float64]
    distances: NDArray[np.float64]


class Planner:
    """Finds places for shapes."""

    def __init__(self, source: Source, flips: list[str], scale: tuple[float, float], turn: float, shift: float) -> None:
        self.source, self.flips = source, flips
        self.scale, self.turn, self.shift = scale, turn, shift
        self.clean, self.surroundings = source.clean("train"), Surroundings(source)
        if not self.clean:
            raise UserError(f"{source.manifest.folder}: no clean training pictures to draw on; add some")
        self.frames: dict[str, Frame] = {}

    def find(self, label: str, page: Page, rng: np.random.Generator) -> Row | None:
        """The plan of a defect like one of a class on the page, whose picture it fills; None if no place was found."""
        donors = self.surroundings.donors[label]
        for attempt in range(ROUNDS):
            donor = donors[rng.integers(len(donors))]
            pictures = [page.clean_id] if page.clean_id else list(rng.choice(self.clean, PICTURES))
            pictures = [clean_id for clean_id in pictures if not self._shows_donor(donor, clean_id)]
            proposals = self._propose(donor, pictures, self.shift * (1 + attempt / 4), rng)
            shape = {"elastic": int(rng.integers(2**62)), "drawn": bool(len(donors) < FEW and rng.random() < 0.5)}
            for number in range(min(CHECKED, len(proposals.clean))):
                row = {"clean_id": proposals.clean[number], "donor_id": donor.instance_id, **shape}
                row |= {"transform": proposals.affines[number].ravel().tolist()}
                fitting = self._fits(row, rng)
                if fitting is not None and page.is_free(fitting[1]):
                    square, repainted = fitting
                    page.take(proposals.clean[number], repainted)
                    place = {"x": square.x, "y": square.y, "side": square.side}
                    return row | place | {"context": float(proposals.distances[number])}
        return None

    def _shows_donor(self, donor: Donor, clean_id: str) -> bool:
        """Whether it is a healed picture of the donor's part: there the donor would only be drawn back."""
        picture, own = self.source.images.loc[clean_id], self.source.images.loc[donor.image_id]
        return bool(picture["synthetic"]) and picture["group"] == own["group"]

    def _propose(self, donor: Donor, pictures: list[str], shift: float, rng: np.random.Generator) -> Proposals:
        drawn = [[self._affine(donor, clean_id, shift, rng) for _ in range(PLACES)] for clean_id in pictures]
        first = self._ranked(
            donor, [(clean_id, np.array(some)) for clean_id, some in zip(pictures, drawn, strict=True)]
        )
        finer = []
        for clean_id, affine in zip(first.clean[:REFINED], first.affines[:REFINED], strict=True):
            near = np.repeat(affine[None], NEAR + 1, axis=0)
            near[1:, :, 2] += rng.normal(0, NUDGE * donor.ring.size, (NEAR, 2))
            finer.append((clean_id, near))
        return self._ranked(donor, finer)

    def _ranked(self, donor: Donor, places: list[tuple[str, NDArray[np.float64]]]) -> Proposals:
        """The places on the part, those that look most like the donor's first."""
        if not places:
            return Proposals([], np.zeros((0, 2, 3)), np.zeros(0))
        clean = np.array([clean_id for clean_id, affines in places for _ in affines], object)
        affines = np.concatenate([affines for _, affines in places])
        distances = np.concatenate([self.surroundings.distances(donor, *place) for place in places])
        kept = np.concatenate([self.surroundings.on_part(donor, *place) for place in places]) >= ON_PART
        order = np.argsort(distances[kept], kind="stable")
        return Proposals(list(clean[kept][order]), affines[kept][order], distances[kept][order])

    def _affine(self, donor: Donor, clean_id: str, shift: float, rng: np.random.Generator) -> Affine:
        """A place about the donor's own; where the product fills the frame also along its border, or anywhere."""
        whole = not self.source.images.loc[donor.image_id, "legal_path"]
        own, other = self._frame(donor.image_id), self._frame(clean_id)
        mirror, scale = draw_mirror(self.flips, whole, rng), rng.uniform(*self.scale)
        kind, along = (int(rng.integers(3)) if whole else 0), rng.random()
        if kind == 1:
            return slide(
                donor.ring.inside, scale * mirror, self.source.shape(donor.image_id), self.source.shape(clean_id), along
            )
        turn, away = rng.uniform(-self.turn, self.turn), rng.normal(0, shift, 2)
        centre = donor.ring.inside.mean(axis=0)
        if kind == 2:
            away = rng.uniform(-1, 1, 2) - mirror @ own.inward(centre)
        return carry(centre, own, other, mirror, scale, turn, away)

    def _fits(self, row: Row, rng: np.random.Generator) -> tuple[Square, Mask] | None:
        """The square to draw it in and what it may repaint, if the shape is legal there and in the picture."""
        shape, legal = self.source.planned_shape(pd.Series(row)), self.source.legal(row["clean_id"])
        affine = np.array(row["transform"]).reshape(2, 3)
        full = self.surroundings.area[row["donor_id"]] * abs(np.linalg.det(affine[:, :2]))
        if not shape.any() or shape.sum() < KEPT * full or (legal is not None and (shape & ~legal).any()):
            return None
        columns, lines = np.flatnonzero(shape.any(axis=0)), np.flatnonzero(shape.any(axis=1))
        box = (columns[0], lines[0], columns[-1] - columns[0] + 1, lines[-1] - lines[0] + 1)
        square = Square.around(box, shape.shape, rng)
        return square, grow(shape, APART * square.side / SMALL)

    def _frame(self, image_id: str) -> Frame:
        if image_id not in self.frames:
            self.frames[image_id] = self.source.frame(image_id)
        return self.frames[image_id]
