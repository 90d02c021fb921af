"""Attempts at planned defects of every size: what is drawn at 256 px, what never is, and what stays untouched.

The cascade is one whose pictures are known: it brightens what was planned, by more where it is asked to enlarge.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from small import disc, put_mask, put_picture

from defectgen.attempt import REPAINTS, Attempts, Lineage
from defectgen.errors import UserError
from defectgen.imaging.blend import RIM, blend_weight
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.label import Noise, strength
from defectgen.imaging.read import read_image, read_mask
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink_mask
from defectgen.learn.cascade import Cascade
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.upsample import FACTOR, Upsampler
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, table
from defectgen.quality.gates import Drawn, Gate
from defectgen.source import Source
from defectgen.spec import DataSpec

SHAPE = (330, 360)
SPOTS: dict[str, tuple[Square, tuple[int, int, int]]] = {  # plan row -> its square; its disc: x, y, radius
    "small": (Square(40, 50, 64), (70, 80, 12)),
    "limit": (Square(40, 50, 96), (80, 95, 20)),
    "above": (Square(60, 40, 97), (100, 85, 20)),
    "large": (Square(100, 90, 180), (190, 180, 40)),
    "corner": (Square(-40, -30, 150), (22, 30, 35)),
    "huge": (Square(20, 10, 300), (170, 160, 80)),
}
LARGE = {"above", "large", "corner", "huge"}
LINEAGE = Lineage("inpainter", "upsampler")


class Brightening(Cascade):
    """Brightens the region less its rim by 0.5 where a defect is asked for, at 256 px by 0.8; "good" by `good`.

    enlarged: class and seed of everything it was asked to enlarge.
    """

    def __init__(self, upsampler: bool = True, spoiled: bool = False, good: float = 0.01) -> None:
        super().__init__(cast(Inpainter, None), cast(Upsampler, self) if upsampler else None)
        self.spoiled, self.good, self.enlarged = spoiled, good, list[tuple[int, int]]()

    def low(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        labels: Sequence[int],
        seeds: Sequence[int],
        batch: int,
    ) -> NDArray[np.float32]:
        amount = np.array([0.5 if label else self.good for label in labels], np.float32)
        return patches + amount[:, None, None, None] * np.stack([middle(region) for region in regions])[:, None]

    def high(
        self, clean: NDArray[np.float32], region: Mask, low: NDArray[np.float32], label: int, seed: int
    ) -> NDArray[np.float32]:
        assert clean.shape[1:] == (256, 256) and region.shape == low.shape[1:] == (64, 64)
        self.enlarged.append((label, seed))
        large = middle(region).repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
        stripes = 0.3 * (-1) ** (np.arange(256) // 16)
        drawn = clean + np.float32(0.8 + stripes if label else self.good) * large
        return np.where(self.spoiled, np.float32(np.nan), drawn).astype(np.float32)


def middle(region: Mask) -> Mask:
    """Without the rim, whose brightness the composite fits to the surroundings'."""
    return binary_erosion(region, iterations=RIM, border_value=1)


class Anything(Gate):
    """Passes everything."""

    reason = "anything"

    def score(self, drawn: Drawn) -> float:
        return 1.0

    def passes(self, score: float) -> bool:
        return True


class Second(Anything):
    """Passes every other time that it is asked about a picture of one side."""

    reason = "second"

    def __init__(self) -> None:
        self.asked: dict[int, int] = {}

    def score(self, drawn: Drawn) -> float:
        side = len(drawn.clean)
        self.asked[side] = self.asked.get(side, 0) + 1
        return float(self.asked[side] % 2 == 0)

    def passes(self, score: float) -> bool:
        return score > 0


class Never(Anything):
    """Passes nothing."""

    reason = "never"

    def passes(self, score: float) -> bool:
        return False


def product(folder: Path, channels: int = 1, depth: int = 8) -> tuple[Source, pd.DataFrame]:
    """Each planned defect on a clean picture of its own, and the plan."""
    images: list[Row] = []
    instances: list[Row] = []
    rows: list[Row] = []
    size = SHAPE if channels == 1 else (*SHAPE, channels)
    for number, (name, (square, spot)) in enumerate(SPOTS.items()):
        grain = np.random.default_rng(number).uniform(0.3, 0.4, size) * (2**depth - 1)
        pixels = grain.astype(np.uint8 if depth == 8 else np.uint16)
        images += [put_picture(folder, f"{kind}-{name}", pixels) for kind in ("clean", "broken")]
        instances.append(put_mask(folder, f"donor-{name}", f"broken-{name}", "pit", disc(*spot, SHAPE)))
        place = {"x": square.x, "y": square.y, "side": square.side, "transform": [1.0, 0, 0, 0, 1, 0]}
        origin = {"clean_id": f"clean-{name}", "donor_id": f"donor-{name}", "image_id": f"drawn-{name}", "shard": 0}
        rows.append({"plan_id": name, "label": "pit", "seed": number, "attempts": 3, "batch": 2} | place | origin)
    manifest = Manifest(folder, table(images, IMAGES), table(instances, INSTANCES))
    return Source(manifest), pd.DataFrame(rows)


def attempts_of(
    folder: Path, cascade: Cascade, gate: Gate | None = None, channels: int = 1, depth: int = 8
) -> tuple[Attempts, pd.DataFrame, Source]:
    """Ready to draw, with the plan's rows and the product."""
    source, rows = product(folder / "product", channels, depth)
    spec = DataSpec(channels, ["good", "pit"], 0.3, 64)
    return Attempts(folder / "out", source, cascade, spec, LINEAGE, [gate or Anything()], rows), rows, source


def support(source: Source, row: pd.Series) -> tuple[Pixels, Mask]:
    """The clean native square of a row, and where its picture may change."""
    square = Square(row["x"], row["y"], row["side"])
    region = grow(shrink_mask(square.cut(source.planned_shape(row)), 64), REACH)
    allowed = np.zeros((square.side, square.side), bool)
    inside = square.inside(SHAPE)[1]
    allowed[inside] = blend_weight(region, square.side)[inside] > 0
    return square.cut(source.pixels(row["clean_id"])), allowed


def test_sides_above_96_are_drawn_at_256_and_others_are_not(tmp_path: Path) -> None:
    cascade = Brightening()
    attempts, rows, _ = attempts_of(tmp_path, cascade)
    cascade.enlarged.clear()
    drawn = attempts.draw(rows).set_index("plan_id")
    assert drawn["drawn_at"].to_dict() == {name: 256 if name in LARGE else 64 for name in SPOTS}
    assert (drawn["status"] == "accepted").all()
    assert (drawn["checkpoint"] == "inpainter").all()
    assert drawn["upsampler"].to_dict() == {name: "upsampler" if name in LARGE else "" for name in SPOTS}
    assert set(cascade.enlarged) == {(1, seed) for name, seed in drawn["seed"].items() if name in LARGE}


def test_detail_drawn_at_256_is_in_the_picture(tmp_path: Path) -> None:
    """The stripes that only the 256 px picture has."""
    attempts, rows, source = attempts_of(tmp_path, Brightening())
    drawn = attempts.draw(rows).set_index("plan_id", drop=False)
    for _, row in drawn.iterrows():
        clean, _ = support(source, row)
        change = read_image(tmp_path / "out" / row["crop_path"]).astype(float) - clean
        core = row["side"] // 2 + np.arange(-row["side"] // 10, row["side"] // 10)
        unevenness = change[np.ix_(core, core)].mean(axis=0).std()
        assert row["plan_id"] == "corner" or change[np.ix_(core, core)].mean() > 40
        if row["plan_id"] in ("large", "huge"):
            assert unevenness > 10
        elif row["plan_id"] in ("small", "limit"):
            assert unevenness < 2


def test_without_an_upsampler_nothing_is_drawn_at_256(tmp_path: Path) -> None:
    cascade = Brightening(upsampler=False)
    attempts, rows, _ = attempts_of(tmp_path, cascade)
    assert (attempts.draw(rows)["drawn_at"] == 64).all()
    assert not cascade.enlarged


def test_what_fails_a_gate_at_64_is_never_enlarged(tmp_path: Path) -> None:
    cascade = Brightening()
    attempts, rows, _ = attempts_of(tmp_path, cascade, Never())
    cascade.enlarged.clear()
    drawn = attempts.draw(rows)
    assert len(drawn) == 3 * len(SPOTS) and (drawn["status"] == "rejected").all()
    assert (drawn["drawn_at"] == 64).all()
    assert not cascade.enlarged


def test_gates_judge_a_large_one_again_when_it_has_its_detail(tmp_path: Path) -> None:
    """Asked about a large one the first time, the gate says no; then yes, and no to what was enlarged; and so on."""
    cascade = Brightening()
    attempts, rows, _ = attempts_of(tmp_path, cascade, Second())
    cascade.enlarged.clear()
    drawn = attempts.draw(rows)
    for name, mine in drawn.groupby("plan_id"):
        if name in LARGE:
            assert list(mine["status"]) == ["rejected"] * 3
            assert list(mine["drawn_at"]) == [64, 256, 256]
        else:
            assert list(mine["status"]) == ["rejected", "accepted"] and set(mine["drawn_at"]) == {64}
    assert len(cascade.enlarged) == (drawn["drawn_at"] == 256).sum() == 2 * len(LARGE)


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (1, 16), (3, 8), (3, 16)])
def test_outside_the_support_every_pixel_is_bit_identical(tmp_path: Path, channels: int, depth: int) -> None:
    attempts, rows, source = attempts_of(tmp_path, Brightening(), None, channels, depth)
    drawn = attempts.draw(rows)
    assert set(drawn["plan_id"]) == set(SPOTS)
    for _, row in drawn.iterrows():
        clean, allowed = support(source, row)
        result, label = (tmp_path / "out" / row[name] for name in ("crop_path", "label_path"))
        pixels, mask = read_image(result), read_mask(label)
        assert pixels.dtype == clean.dtype and pixels.shape == clean.shape
        changed = (pixels != clean).reshape(*allowed.shape, -1).any(axis=2)
        assert not (changed & ~allowed).any(), row["plan_id"]
        assert changed[allowed].mean() > 0.7, row["plan_id"]  # all but the rim
        assert mask.any() and not (mask & ~allowed).any(), row["plan_id"]


def test_good_repaints_of_large_rows_go_through_the_upsampler_too(tmp_path: Path) -> None:
    cascade = Brightening()
    attempts_of(tmp_path, cascade)
    assert [label for label, _ in cascade.enlarged] == [0] * len(LARGE)
    kept = pd.read_parquet(tmp_path / "out" / REPAINTS)
    assert set(kept["plan_id"]) == set(SPOTS) and all((tmp_path / "out" / path).is_file() for path in kept["crop_path"])


def test_the_noise_of_a_label_is_that_of_repaints_within_their_planned_shapes(tmp_path: Path) -> None:
    """A wide rim of a region that fades to nothing would make any repaint look like less noise than it is."""
    attempts, rows, source = attempts_of(tmp_path, Brightening(good=0.1))
    changes = []
    for _, row in rows.iterrows():
        square = Square(row["x"], row["y"], row["side"])
        inside = square.inside(SHAPE)[1]
        clean, shape = square.cut(source.pixels(row["clean_id"])), square.cut(source.planned_shape(row))
        repainted = read_image(tmp_path / "out" / "repaints" / f"{row['plan_id']}.png")
        changes.append(strength(clean, repainted)[inside][shape[inside]])
    assert attempts.noise == Noise.measure(changes)
    assert attempts.noise.low > 0.09


def test_good_repaints_that_are_no_pictures_end_the_run_with_a_word(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing finite"):
        attempts_of(tmp_path, Brightening(spoiled=True))


def test_an_enlargement_that_is_not_a_picture_has_failed_and_the_others_are_drawn(tmp_path: Path) -> None:
    cascade = Brightening()
    attempts, rows, _ = attempts_of(tmp_path, cascade)
    cascade.spoiled = True
    drawn = attempts.draw(rows)
    failed = drawn[drawn["plan_id"].isin(LARGE)]
    assert (failed["status"] == "failed").all() and (failed["reason"] == "not finite").all()
    assert (failed["crop_path"] == "").all() and len(failed) == 3 * len(LARGE)
    assert (drawn.loc[~drawn["plan_id"].isin(LARGE), "status"] == "accepted").all()


def test_what_a_row_becomes_does_not_depend_on_the_order_or_the_rows_beside_it(tmp_path: Path) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening())
    columns = ["plan_id", "attempt", "seed", "drawn_at", "crop_sha256", "label_sha256"]
    together = attempts.draw(rows)[columns]
    turned = attempts.draw(rows.iloc[::-1])[columns]
    alone = pd.concat([attempts.draw(rows[rows["plan_id"] == name])[columns] for name in sorted(SPOTS)])
    for other in (turned, alone):
        pd.testing.assert_frame_equal(together.reset_index(drop=True), other.reset_index(drop=True))
