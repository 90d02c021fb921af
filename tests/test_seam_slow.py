"""Whether a composite's edge can be found: the seam critic on clean surface repainted as "good", and on planted seams.

Run by hand once `generate` has finished for PRODUCTS (a minute or two each); writes reports/seam.md:

    .venv/bin/python -m pytest -m slow tests/test_seam_slow.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from defectgen.evidence import REPAINTS
from defectgen.imaging.blend import FEATHER, blend_weight
from defectgen.imaging.files import Mask, Pixels, from_float, to_float
from defectgen.imaging.read import read_image
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink_mask
from defectgen.manifest import Manifest
from defectgen.markdown import tabulated
from defectgen.painter import LARGEST_LOW
from defectgen.quality.seam import FOLDS, RIM, feature_names, seam_features, seam_scores
from defectgen.source import Source
from defectgen.spec import DataSpec
from defectgen.utility.bootstrap import INTERVAL, draw
from defectgen.utility.weighted import auroc

ROOT = Path(__file__).parents[1]
DATA, REPORT = ROOT / "data", ROOT / "reports/seam.md"
PRODUCTS = ("magnetic_tile", "screw")
MOST, LEAST = 0.60, 0.80  # AUROC allowed on repaints; needed on a planted seam, or a low one would mean nothing
CONTROLS = (1, 2)  # grey levels of 8 bits by which a planted seam's inside is brighter
NEEDED = "a step of 2/255"
SEEDS = range(3)  # of the folds; their scores are averaged
REPLICATES = 2000
TOLD = 6  # features a product's table tells

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Place:
    """Where a clean picture was repainted: native picture (H, W[, 3]), the composite's support (H, W).

    fade (H, W): how the coarsest band of what is drawn fades in there.
    """

    group: str
    side: int
    clean: Pixels
    repainted: Pixels
    support: Mask
    fade: NDArray[np.float32]

    def brighter(self, weight: NDArray[np.float32], levels: int) -> Pixels:
        """Clean, so many grey levels of 8 bits brighter by weight (H, W)."""
        return from_float(to_float(self.clean) + weight * np.float32(levels * 2 / 255), self.clean.dtype)

    def versions(self) -> dict[str, Pixels]:
        """The same place with a seam and without, by what was done to it."""
        steps = {f"a step of {n}/255": self.brighter(self.support.astype(np.float32), n) for n in CONTROLS}
        faded = {"2/255 faded in": self.brighter(self.fade, 2)}
        return {"clean": self.clean, "repainted": self.repainted, **steps, **faded}


@dataclass(frozen=True)
class Seen:
    """Seam features (N, F) of every version of N places, their groups, their native sides (N,)."""

    features: Mapping[str, NDArray[np.float64]]
    groups: list[str]
    sides: NDArray[np.int64]

    def figure(self, version: str, where: Mask) -> tuple[float, float, float]:
        """AUROC of the critic of this version against clean, of the places `where`, and its interval."""
        features = np.concatenate([self.features["clean"], self.features[version]])
        seam, groups = np.repeat([False, True], len(self.groups)), self.groups * 2
        scores = np.mean([seam_scores(features, seam, groups, seed) for seed in SEEDS], axis=0)
        chosen = np.tile(where, 2)
        mine = [group for group, kept in zip(groups, chosen, strict=True) if kept]
        value = auroc(seam[chosen], scores[chosen], np.ones((1, chosen.sum())))
        spread = auroc(seam[chosen], scores[chosen], draw(mine, 1, REPLICATES, seed=0).weights)
        return float(value[0]), *np.nanpercentile(spread, INTERVAL).tolist()

    def single(self, version: str) -> pd.DataFrame:
        """Each feature's own AUROC against clean, and its medians: the most telling first."""
        clean, changed = self.features["clean"], self.features[version]
        seam = np.repeat([False, True], len(clean))
        weights = np.ones((1, len(seam)))
        rows = [
            (name, auroc(seam, np.concatenate([before, after]), weights)[0], np.median(before), np.median(after))
            for name, before, after in zip(feature_names(), clean.T, changed.T, strict=True)
        ]
        table = pd.DataFrame(rows, columns=["feature", "auroc", "clean", "changed"])
        return table.sort_values("auroc", key=lambda column: -abs(column - 0.5), ignore_index=True)


def look(name: str) -> Seen:
    """Every repaint of a product."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    groups, sides = [], []
    size = DataSpec.load(DATA / "patch" / name).size
    for place in places(name, size):
        for version_, pixels in place.versions().items():
            found.setdefault(version_, []).append(seam_features(pixels, place.support, place.side / size))
        groups.append(place.group)
        sides.append(place.side)
    return Seen({key: np.stack(rows) for key, rows in found.items()}, groups, np.array(sides))


def places(name: str, size: int) -> list[Place]:
    """Of a product whose data set is drawn."""
    folder, source = DATA / "generate" / name, Source(Manifest.load(DATA / "ingest" / name))
    assert (folder / REPAINTS).is_file(), f"{folder}: nothing repainted; run `defectgen run` for {name} first"
    return [place(source, folder, row, size) for _, row in pd.read_parquet(folder / REPAINTS).iterrows()]


def place(source: Source, folder: Path, row: pd.Series, size: int) -> Place:
    """The clean picture of a plan row, and the same with its repainted square in it."""
    clean, square = source.pixels(row["clean_id"]), Square(int(row["x"]), int(row["y"]), int(row["side"]))
    here, there = square.inside(clean.shape)
    region = grow(shrink_mask(square.cut(source.planned_shape(row)), size), REACH)
    weight = cv2.resize(blend_weight(region, size), (square.side, square.side), interpolation=cv2.INTER_LINEAR)
    support, fade = np.zeros(clean.shape[:2], bool), np.zeros(clean.shape[:2], np.float32)
    support[here] = blend_weight(region, square.side)[there] > 0
    fade[here] = weight[there] * support[here]
    repainted = clean.copy()
    repainted[here] = read_image(folder / row["crop_path"])[there]
    assert not (repainted != clean)[~support].any(), f"{row['plan_id']}: changed beside the support"
    return Place(source.images.loc[row["clean_id"], "group"], square.side, clean, repainted, support, fade)


def test_repaints_cannot_be_told_from_clean_surface_by_their_edge() -> None:
    sections, repaints, controls = [], {}, {}
    for name in PRODUCTS:
        seen = look(name)
        figures = {version_: seen.figure(version_, seen.sides > 0) for version_ in seen.features if version_ != "clean"}
        for words, where in parts(seen).items():
            figures[f"repainted, {words}"] = seen.figure("repainted", where)
        repaints[name], controls[name] = figures["repainted"][0], figures[NEEDED][0]
        sections.append(told(name, seen, figures))
    REPORT.write_text(PAGE.format(date=date.today(), sklearn=version("scikit-learn"), sections="\n\n".join(sections)))
    assert min(controls.values()) >= LEAST, f"{controls}: the critic is blind, see {REPORT}"
    assert max(repaints.values()) <= MOST, f"{repaints}: see {REPORT}"


def parts(seen: Seen) -> dict[str, Mask]:
    """Places by how they are drawn, where there are enough of a kind."""
    kinds = {f"side to {LARGEST_LOW}": seen.sides <= LARGEST_LOW, f"side over {LARGEST_LOW}": seen.sides > LARGEST_LOW}
    return {words: where for words, where in kinds.items() if where.sum() >= FOLDS}


def told(name: str, seen: Seen, figures: Mapping[str, tuple[float, float, float]]) -> str:
    """A product's section."""
    rows = [[key, f"{value:.2f}", f"{low:.2f} to {high:.2f}"] for key, (value, low, high) in figures.items()]
    single = [
        [row["feature"], f"{row['auroc']:.2f}", f"{row['clean']:.2f}", f"{row['changed']:.2f}"]
        for _, row in seen.single("repainted").head(TOLD).iterrows()
    ]
    count = f"{len(seen.groups)} places on clean pictures of {len(set(seen.groups))} groups."
    tables = [
        tabulated(["against clean", "AUROC", "95 %"], rows),
        "The features that tell repainted from clean best, each alone (0.50: not at all), and their medians:",
        tabulated(["", "AUROC", "clean", "repainted"], single),
    ]
    return "\n\n".join([f"## {name}", count, *tables])


PAGE = f"""# Can a composite be found by its edge?

Clean surface of the training pictures was repainted as "good" in the places and shapes of the plan and composited as
defects are; a critic (`defectgen/quality/seam.py`) judges the edge of where it may differ and its surroundings, on the
whole native picture. What lies deeper inside than {RIM:g} px at 64 px is blanked. Each place is shown to it repainted
and untouched; {FOLDS} folds by group, so it is tested on other parts than it was trained on; mean score of
{len(SEEDS)} divisions into folds; intervals from {REPLICATES} resamplings of the groups.

Planted seams say what it can see with as many pictures: the clean picture a step brighter there (no feather), or faded
in over {FEATHER:g} px at 64 px as the coarsest band of a composite is. It must find {NEEDED} with {LEAST:.2f} or more;
on repaints {MOST:.2f} or less is wanted.

{{date}}, scikit-learn {{sklearn}}:

    .venv/bin/python -m pytest -m slow tests/test_seam_slow.py

{{sections}}
"""
