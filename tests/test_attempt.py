"""Attempts at planned defects of every size: what is drawn at 256 px, what never is, and what stays untouched."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brightening import LARGE, SHAPE, SPOTS, Brightening, painter_of, product
from numpy.typing import NDArray

from defectgen.attempt import Attempts, Lineage
from defectgen.evidence import Bar
from defectgen.imaging.blend import blend_weight
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.label import Noise, visibility
from defectgen.imaging.read import read_image, read_mask
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink_mask
from defectgen.job import Job
from defectgen.learn.cascade import Cascade
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import POOLED, Calibration, Gate, Limit
from defectgen.select import settle
from defectgen.source import Source

LINEAGE = Lineage("inpainter", "upsampler")
NOISE = Noise([0.5, 0.5], [1.0, 1.0])


class Always(Gate):
    """Passes everything."""

    reason = "always"

    def score(self, drawn: Drawn) -> float:
        return 1.0


class Never(Gate):
    """Passes nothing."""

    reason = "never"

    def score(self, drawn: Drawn) -> float:
        return 0.0


class NeverInDetail(Never):
    """Passes nothing that has its detail."""

    detailed = True


class Second(Gate):
    """Passes every other time that it is asked about a picture of one side."""

    reason = "second"

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[int, int] = {}

    def score(self, drawn: Drawn) -> float:
        self.asked[drawn.side] = self.asked.get(drawn.side, 0) + 1
        return float(self.asked[drawn.side] % 2 == 0)


class Whitewashing(Brightening):
    """Brightens whatever it is asked for."""

    def _painted(
        self, patch: NDArray[np.float32], region: Mask, label: int, seed: int, defect: np.float32 | NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return super()._painted(patch, region, 1, seed, defect)


def bar_of(*gates: Gate) -> Bar:
    """What scores below a half is rejected."""
    limits = [Limit(gate.reason, POOLED, 0.5, 0, np.nan, 0, np.nan) for gate in gates]
    return Bar(NOISE, Calibration(gates, limits))


def attempts_of(
    folder: Path, cascade: Cascade, *gates: Gate, channels: int = 1, depth: int = 8, best_of: int = 1
) -> tuple[Attempts, pd.DataFrame, Source]:
    """Ready to draw, with the plan's rows and the product."""
    source, rows = product(folder / "product", channels, depth)
    bar = bar_of(*gates or [Always()])
    return Attempts(folder / "out", source, painter_of(cascade, channels), LINEAGE, bar, best_of), rows, source


def only(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Some rows of a plan."""
    return rows[rows["plan_id"].isin(names)]


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
    drawn = attempts.draw(rows).set_index("plan_id")
    assert drawn["drawn_at"].to_dict() == {name: 256 if name in LARGE else 64 for name in SPOTS}
    assert (drawn["status"] == "accepted").all() and (drawn["reason"] == "").all()
    assert (drawn["checkpoint"] == "inpainter").all()
    assert drawn["upsampler"].to_dict() == {name: "upsampler" if name in LARGE else "" for name in SPOTS}
    assert set(cascade.detailed) == {seed for name, seed in drawn["seed"].items() if name in LARGE}


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
    attempts, rows, _ = attempts_of(tmp_path, cascade, Always(), Never())
    drawn = attempts.draw(rows)
    assert len(drawn) == 3 * len(SPOTS) and (drawn["status"] == "rejected").all()
    assert (
        (drawn["reason"] == "never").all() and (drawn["score_always"] == 1).all() and (drawn["score_never"] == 0).all()
    )
    assert (drawn["drawn_at"] == 64).all()
    assert not cascade.detailed


def test_a_gate_for_detail_judges_a_large_one_only_when_it_has_it(tmp_path: Path) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening(), NeverInDetail())
    drawn = attempts.draw(only(rows, "limit", "above"))
    assert (drawn["status"] == "rejected").all() and (drawn["score_never"] == 0).all()
    assert (drawn["drawn_at"] == np.where(drawn["plan_id"].isin(LARGE), 256, 64)).all()


def test_what_fails_at_64_has_no_score_of_a_gate_for_detail(tmp_path: Path) -> None:
    """Asked about a large one the first time, the other gate says no; then twice yes."""
    attempts, rows, _ = attempts_of(tmp_path, Brightening(), Second(), NeverInDetail())
    drawn = attempts.draw(only(rows, "large"))
    assert list(drawn["score_never"].isna()) == [True, False, False]


def test_gates_judge_a_large_one_again_when_it_has_its_detail(tmp_path: Path) -> None:
    """Asked about a large one the first time, the gate says no; then yes, and no to what was enlarged; and so on."""
    cascade = Brightening()
    attempts, rows, _ = attempts_of(tmp_path, cascade, Second())
    drawn = attempts.draw(only(rows, "small", "limit", "above", "corner"))
    for name, mine in drawn.groupby("plan_id"):
        if name in LARGE:
            assert list(mine["status"]) == ["rejected"] * 3
            assert list(mine["drawn_at"]) == [64, 256, 256]
        else:
            assert list(mine["status"]) == ["rejected", "accepted"] and set(mine["drawn_at"]) == {64}
    assert len(cascade.detailed) == (drawn["drawn_at"] == 256).sum() == 2 * 2


@pytest.mark.parametrize(("best_of", "made"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_the_best_is_of_so_many_but_no_more_than_the_plan_allows(tmp_path: Path, best_of: int, made: int) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening(), best_of=best_of)
    drawn = attempts.draw(only(rows, "small", "above"))
    assert drawn.groupby("plan_id")["attempt"].apply(list).tolist() == [list(range(made))] * 2
    assert drawn["seed"].is_unique and (drawn["status"] == "accepted").all()


@pytest.mark.parametrize(("best_of", "last"), [(1, []), (2, []), (3, ["rejected"])])
def test_a_row_is_drawn_until_one_passes_and_there_are_as_many_as_asked(
    tmp_path: Path, best_of: int, last: list[str]
) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening(), Second(), best_of=best_of)
    drawn = attempts.draw(only(rows, "small"))
    assert list(drawn["status"]) == ["rejected", "accepted", *last]


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (1, 16), (3, 8), (3, 16)])
def test_outside_the_support_every_pixel_is_bit_identical(tmp_path: Path, channels: int, depth: int) -> None:
    attempts, rows, source = attempts_of(tmp_path, Brightening(), channels=channels, depth=depth)
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


def test_what_is_recorded_of_the_change_is_that_of_the_kept_picture_in_the_planned_shape(tmp_path: Path) -> None:
    """From the clean square and the same repainted as good."""
    attempts, rows, source = attempts_of(tmp_path, Brightening())
    planned = {row["plan_id"]: Job.planned(source, row, 64) for _, row in rows.iterrows()}
    for _, row in attempts.draw(rows).iterrows():
        clean, allowed = support(source, row)
        square = Square(row["x"], row["y"], row["side"])
        shape, inside = np.zeros_like(allowed), square.inside(SHAPE)[1]
        shape[inside] = square.cut(source.planned_shape(row))[inside]
        result = read_image(tmp_path / "out" / row["crop_path"])
        ((_, expected),) = attempts.painter.as_good([planned[row["plan_id"]]], 1)
        assert expected is not None
        assert row["change"] == visibility([clean, expected], result, NOISE)[shape].mean() > 1
        assert row["change"] < visibility([clean], result, NOISE)[shape].mean()


def test_what_the_networks_do_to_good_surface_too_is_no_defect(tmp_path: Path) -> None:
    attempts, rows, source = attempts_of(tmp_path, Whitewashing())
    drawn = attempts.draw(rows)
    assert (drawn["status"] == "rejected").all() and (drawn["reason"] == "empty").all()
    for _, row in drawn.iterrows():
        clean, allowed = support(source, row)
        assert np.abs(read_image(tmp_path / "out" / row["crop_path"]).astype(float) - clean)[allowed].mean() > 20


def test_every_square_is_repainted_as_good_once_however_often_it_is_tried(tmp_path: Path) -> None:
    cascade = Brightening()
    attempts, rows, _ = attempts_of(tmp_path, cascade, Never())
    drawn = attempts.draw(only(rows, "small", "limit", "above"))
    assert cascade.asked == [2, 1, 3, 3, 3], "two at a time, then three attempts at all"
    assert len(cascade.enlarged) == 1
    assert list(drawn["seconds_expected"].notna()) == [True] * 3 + [False] * 6


def test_a_label_that_is_empty_is_rejected_without_asking_a_gate(tmp_path: Path) -> None:
    """Nothing this network draws exceeds such noise."""
    attempts, rows, _ = attempts_of(tmp_path, Brightening())
    attempts.bar = Bar(Noise([500.0, 500.0], [900.0, 900.0]), attempts.bar.calibration)
    drawn = attempts.draw(rows)
    assert (drawn["status"] == "rejected").all() and (drawn["reason"] == "empty").all()
    assert "score_always" not in drawn


def test_an_enlargement_that_is_not_a_picture_has_failed_and_the_others_are_drawn(tmp_path: Path) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening(spoiled=256, of=[1]))
    drawn = attempts.draw(rows)
    failed = drawn[drawn["plan_id"].isin(LARGE)]
    assert (failed["status"] == "failed").all() and (failed["reason"] == "not finite").all()
    assert (failed["crop_path"] == "").all() and len(failed) == 3 * len(LARGE)
    assert (drawn.loc[~drawn["plan_id"].isin(LARGE), "status"] == "accepted").all()


def test_an_attempt_whose_square_repainted_as_good_is_no_picture_has_failed_and_the_others_are_drawn(
    tmp_path: Path,
) -> None:
    cascade = Brightening(spoiled=256, of=[0])
    attempts, rows, _ = attempts_of(tmp_path, cascade)
    drawn = attempts.draw(rows)
    failed = drawn[drawn["plan_id"].isin(LARGE)]
    assert (failed["status"] == "failed").all() and (failed["reason"] == "not finite").all()
    assert (failed["crop_path"] == "").all() and len(failed) == 3 * len(LARGE)
    assert (drawn.loc[~drawn["plan_id"].isin(LARGE), "status"] == "accepted").all()
    assert not cascade.detailed


@pytest.mark.parametrize("label", [0, 1])
def test_where_nothing_drawn_is_a_picture_every_attempt_has_failed_and_none_is_chosen(
    tmp_path: Path, label: int
) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening(spoiled=64, of=[label]))
    drawn = settle(attempts.draw(rows), lambda best: [False] * len(best))
    assert len(drawn) == 3 * len(SPOTS)
    assert (drawn["status"] == "failed").all() and (drawn["reason"] == "not finite").all()


def test_what_a_row_becomes_does_not_depend_on_the_order_or_the_rows_beside_it(tmp_path: Path) -> None:
    attempts, rows, _ = attempts_of(tmp_path, Brightening())
    columns = ["plan_id", "attempt", "seed", "drawn_at", "crop_sha256", "label_sha256"]
    names = ["above", "corner", "limit", "small"]
    rows = only(rows, *names)
    together = attempts.draw(rows)[columns]
    turned = attempts.draw(rows.iloc[::-1])[columns]
    alone = pd.concat([attempts.draw(only(rows, name))[columns] for name in names])
    for other in (turned, alone):
        pd.testing.assert_frame_equal(together.reset_index(drop=True), other.reset_index(drop=True))
