"""The bar: measured once, the same when a killed run goes on, from the files it leaves."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
from brightening import LARGE, SHAPE, SPOTS, Brightening, painter_of, product
from numpy.typing import NDArray
from small import one_line

from defectgen import evidence, heal
from defectgen.errors import UserError
from defectgen.evidence import CALIBRATION, EXPECTED, HEALED, REPAINTS, Bar
from defectgen.imaging.files import write_image
from defectgen.imaging.label import Noise
from defectgen.imaging.read import read_image
from defectgen.imaging.square import Square
from defectgen.job import Job
from defectgen.learn.asked import Asked
from defectgen.learn.critic import CrossFitted
from defectgen.quality.gates import POOLED, Calibration, Copied, Filled, Gate, Legal, Limit, Spilled
from defectgen.source import Source
from defectgen.unhealed import every_defect

GATES = (Filled(), Spilled(), Legal())  # they ask no critic
Made = tuple[Source, pd.DataFrame]


class Dying(Brightening):
    """Dies in the call to the network after so many."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def low(
        self,
        patches: NDArray[np.float32],
        regions: NDArray[np.bool_],
        asked: Sequence[Asked],
        seeds: Sequence[int],
        batch: int,
    ) -> NDArray[np.float32]:
        if len(self.asked) == self.calls:
            raise KeyboardInterrupt
        return super().low(patches, regions, asked, seeds, batch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return product(tmp_path_factory.mktemp("product"))


@pytest.fixture(scope="module")
def first(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bar, Brightening]:
    """A folder with its bar, and the networks that painted it."""
    folder, cascade = tmp_path_factory.mktemp("first"), Brightening()
    return folder, measured(folder, made, cascade), cascade


def measured(folder: Path, made: Made, cascade: Brightening, gates: Sequence[Gate] = GATES) -> Bar:
    source, rows = made
    return Bar.measure(folder, source, painter_of(cascade), rows, cast(CrossFitted, None), gates, seed=5)


def assert_same_files(one: Path, other: Path) -> None:
    files = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")} for root in (one, other)]
    assert files[0] == files[1]


def assert_same(one: Bar, other: Bar) -> None:
    assert one.noise == other.noise
    pd.testing.assert_frame_equal(one.calibration.table(), other.calibration.table())


def test_read_back_it_is_the_same_and_nothing_is_painted_again(
    made: Made, first: tuple[Path, Bar, Brightening]
) -> None:
    folder, bar, _ = first
    idle = Brightening(spoiled=64)
    assert_same(bar, measured(folder, made, idle))
    assert not idle.asked


@pytest.mark.parametrize(
    ("calls", "left"),
    [(1, 9), (4, 6), (7, 3)],
    ids=["among the controls", "among the controls painted again", "among the healed"],
)
def test_killed_it_goes_on_from_the_table_that_was_done_and_comes_to_the_same(
    made: Made, first: tuple[Path, Bar, Brightening], tmp_path: Path, calls: int, left: int
) -> None:
    """Six controls, twice, and six real defects are painted two at a time."""
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, made, Dying(calls))
    done = [(tmp_path / name).is_file() for name in (REPAINTS, EXPECTED, HEALED)]
    assert done == [calls > 3, calls > 6, False]
    heir = Brightening()
    assert_same(first[1], measured(tmp_path, made, heir))
    assert len(heir.asked) == left


@pytest.mark.parametrize("fault", ["lost", "torn", "changed"])
@pytest.mark.parametrize("name", [REPAINTS, EXPECTED, HEALED])
def test_a_crop_that_is_not_as_it_was_painted_is_painted_anew_and_the_bar_is_the_same(
    made: Made, first: tuple[Path, Bar, Brightening], tmp_path: Path, name: str, fault: str
) -> None:
    folder = shutil.copytree(first[0], tmp_path / "again")
    crop = folder / pd.read_parquet(folder / name)["crop_path"].iloc[3]
    if fault == "lost":
        crop.unlink()
    elif fault == "torn":
        crop.write_bytes(crop.read_bytes()[:100])
    else:
        write_image(crop, 255 - read_image(crop))
    heir = Brightening()
    assert_same(first[1], measured(folder, made, heir))
    assert len(heir.asked) == 3, "of the one table"
    assert_same_files(first[0], folder)


@pytest.mark.parametrize("name", [REPAINTS, EXPECTED, HEALED])
def test_a_table_that_cannot_be_read_is_made_anew_and_the_bar_is_the_same(
    made: Made, first: tuple[Path, Bar, Brightening], tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(first[0], tmp_path / "again")
    (folder / name).write_bytes(b"PAR1 torn")
    assert_same(first[1], measured(folder, made, Brightening()))
    assert_same_files(first[0], folder)


def test_what_is_no_picture_ends_the_run_with_a_word(made: Made, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing finite") as raised:
        measured(tmp_path, made, Brightening(spoiled=64, of=[0]))
    assert one_line(raised.value)


def test_controls_and_healed_defects_are_kept_with_where_they_come_from(
    made: Made, first: tuple[Path, Bar, Brightening]
) -> None:
    folder, (source, rows) = first[0], made
    controls, healed = (pd.read_parquet(folder / name) for name in (REPAINTS, HEALED))
    assert set(controls["plan_id"]) == set(SPOTS) and set(controls["clean_id"]) == set(rows["clean_id"])
    assert set(healed["instance_id"]) == set(source.instances["instance_id"])
    assert controls["crop_path"].is_unique and healed["crop_path"].is_unique
    for _, row in controls.iterrows():
        assert read_image(folder / row["crop_path"]).shape == (row["side"], row["side"])
    for _, row in healed.iterrows():
        job = Job.healing(source, row, 64)
        pixels = read_image(folder / row["crop_path"])
        assert pixels[job.shape].mean() > 75 > 20 > job.clean[job.shape].max()  # the dark disc is gone
        assert (pixels == job.clean)[~job.support].all()


def test_large_ones_go_through_the_upsampler_too_and_all_of_them_as_good(first: tuple[Path, Bar, Brightening]) -> None:
    """Every large plan row, and the large donors, whose squares may be drawn smaller or larger than planned."""
    labels = [label for label, _ in first[2].enlarged]
    assert set(labels) == {0} and len(labels) >= len(LARGE) + 2


def test_there_is_one_control_of_each_clean_picture_and_no_more_than_are_wanted(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "REPAINTED", 3)
    source, rows = made
    twice = pd.concat([rows.assign(plan_id=rows["plan_id"] + " again"), rows]).iloc[::-1]
    measured(tmp_path, (source, twice), Brightening())
    assert list(pd.read_parquet(tmp_path / REPAINTS)["plan_id"]) == sorted(SPOTS)[:3]


def test_the_noise_is_that_of_repaints_within_their_planned_shapes(
    made: Made, first: tuple[Path, Bar, Brightening]
) -> None:
    """A wide rim of a region that fades to nothing would make any repaint look like less noise than it is."""
    folder, bar, _ = first
    source, rows = made
    repaints = []
    controls, others = (pd.read_parquet(folder / name).set_index("plan_id") for name in (REPAINTS, EXPECTED))
    for _, row in rows.sort_values("plan_id").iterrows():
        square = Square(row["x"], row["y"], row["side"])
        inside, shape = square.inside(SHAPE)[1], np.zeros((row["side"],) * 2, bool)
        shape[inside] = square.cut(source.planned_shape(row))[inside]
        clean = square.cut(source.pixels(row["clean_id"]))
        result, other = (read_image(folder / table.loc[row["plan_id"], "crop_path"]) for table in (controls, others))
        assert (result != other).any()
        repaints.append(([clean, other], result, shape))
    assert bar.noise == Noise.measure(repaints)


def test_real_ones_pass_and_controls_do_not(first: tuple[Path, Bar, Brightening]) -> None:
    folder, bar, _ = first
    pd.testing.assert_frame_equal(pd.read_parquet(folder / CALIBRATION), bar.calibration.table())
    filled = bar.calibration.table().set_index(["gate", "label"]).loc["filled", "pit"]
    assert filled["real"] == filled["controls"] == len(SPOTS)
    assert filled["real_passed"] > 0.8 and filled["controls_passed"] < 0.2


def test_a_defect_is_judged_by_its_label_and_one_without_is_empty(
    made: Made, first: tuple[Path, Bar, Brightening]
) -> None:
    (source, rows), bar, painter = made, first[1], painter_of(Brightening())
    job = Job.planned(source, rows.iloc[0], 64)
    ((_, expected),) = painter.as_good([job], 1)
    assert expected is not None
    drawn = bar.drawn(job, expected, painter.composite(job, job.patch, painter.low([job], ["pit"], [1])[0]))
    scores, reasons = bar.judge(drawn)
    assert set(scores) == {gate.reason for gate in GATES} and scores["filled"] > 1
    assert reasons == [gate for gate, score in scores.items() if score < bar.calibration.limit(gate, "pit")]
    assert bar.judge(bar.drawn(job, expected, job.clean)) == ({}, ["empty"])


def test_copies_are_looked_for_among_all_training_defects_though_few_are_healed(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heal, "MOST_OF_CLASS", 2)
    bar = measured(tmp_path, made, Brightening(), [Copied()])
    healed = set(pd.read_parquet(tmp_path / HEALED)["image_id"])
    every = every_defect(made[0], "train", 64)
    scores = {real.group: bar.judge(real)[0]["copied"] for real in every}
    assert len(healed) == 2 and len(every) == len(SPOTS)
    assert all(score < -0.9 for score in scores.values()), scores


def test_without_the_gate_against_copies_nothing_is_too_alike(first: tuple[Path, Bar, Brightening]) -> None:
    assert first[1].most_alike == 1.0


def test_two_defects_may_be_as_alike_as_the_gate_against_copies_allows() -> None:
    limits = [Limit("copied", "pit", -0.5, 0, np.nan, 0, np.nan), Limit("copied", POOLED, -0.7, 0, np.nan, 0, np.nan)]
    assert Bar(Noise([], []), Calibration([Copied()], limits)).most_alike == 0.7
