"""Healing: which real defects are taken, and that real, drawn and kept ones are told in the same form."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brightening import LEVEL, Brightening, painter_of, product
from small import disc, picture

from defectgen.heal import MOST_OF_CLASS, as_drawn, as_real, few_of_each
from defectgen.imaging.files import Pixels, write_image, write_mask
from defectgen.imaging.label import Noise
from defectgen.job import Job
from defectgen.manifest import IMAGES, INSTANCES, Manifest, image_row, mask_row, table
from defectgen.source import Source
from defectgen.unhealed import as_kept, every_defect

NOISE = Noise([0.5, 0.5], [1.0, 1.0])
GROUPS = {"often": 60, "alone": 1, "single": 1, "twice": 2}  # part -> pictures with a pit


def many(order: int = 0) -> Source:
    """Pits of a few parts, twelve scratches of one, others in the split val; their tables in some order."""
    images, instances = [], []
    pits = [(f"{group}-{n}", "pit", "train", group) for group, count in GROUPS.items() for n in range(count)]
    scratches = [(f"scratched-{n}", "scratch", "train", "often") for n in range(12)]
    held = [(f"held-{n}", "pit", "val", "held") for n in range(5)]
    for name, label, split, group in [*pits, *scratches, *held]:
        images.append(image_row(name, f"{name}.png", picture(0, (8, 8)), split, group))
        instances.append(mask_row(f"{name}-0", name, label, f"{name}-0.png", disc(4, 4, 2, (8, 8))))
    frame = table(instances, INSTANCES).sample(frac=1, random_state=order)
    return Source(Manifest(Path(), table(images, IMAGES), frame))


def test_at_most_so_many_of_a_class_are_taken_and_all_of_a_rare_one() -> None:
    taken = few_of_each(many(), "train", 0)
    assert taken["label"].value_counts().to_dict() == {"pit": MOST_OF_CLASS, "scratch": 12}
    assert taken["instance_id"].is_unique and taken["seed"].is_unique


@pytest.mark.parametrize("seed", range(5))
def test_every_part_is_heard_before_one_is_heard_again(seed: int) -> None:
    taken = few_of_each(many(), "train", seed)
    pits = taken.loc[taken["label"] == "pit", "group"].value_counts().to_dict()
    assert pits == {"often": MOST_OF_CLASS - 4, "twice": 2, "alone": 1, "single": 1}


def test_only_the_split_asked_for_is_touched() -> None:
    assert set(few_of_each(many(), "val", 0)["group"]) == {"held"}
    assert "held" not in set(few_of_each(many(), "train", 0)["group"])


def test_the_same_seed_takes_the_same_ones_whatever_order_they_come_in() -> None:
    taken = few_of_each(many(), "train", 7)
    pd.testing.assert_frame_equal(taken, few_of_each(many(3), "train", 7))
    other = few_of_each(many(), "train", 8)
    assert set(taken["instance_id"]) != set(other["instance_id"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, pd.DataFrame]:
    return product(tmp_path_factory.mktemp("product"))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("name", ["small", "large", "corner"])
def test_a_real_defect_is_told_as_if_drawn_onto_its_healed_surface(
    made: tuple[Source, pd.DataFrame], name: str
) -> None:
    source, _ = made
    row = few_of_each(source, "train", 0).assign(batch=1).loc[f"donor-{name}"]
    job = Job.healing(source, row, 64)
    ((_, healed),) = painter_of(Brightening()).as_good([job], 1)
    assert healed is not None
    real = as_real(job, healed, NOISE)
    assert real.result is job.clean and real.clean is healed
    assert (real.label_name, real.group) == ("pit", f"broken-{name}")
    assert real.result[real.shape].mean() < 20
    assert abs(real.clean[real.shape].mean() - (LEVEL + 1) / 2 * 255) < 8
    assert iou(real.label, real.shape) > 0.7
    assert not (real.label & ~real.support).any()


def test_what_nobody_healed_has_changed_nothing_and_is_labelled_as_the_annotator_did(
    made: tuple[Source, pd.DataFrame],
) -> None:
    source, _ = made
    every = every_defect(source, "train", 64)
    assert [real.group for real in every] == list(source.defects("train")["image_id"])
    for real in every:
        assert np.array_equal(real.result, real.clean) and (real.result[real.shape] < 20).all()
        assert np.array_equal(real.label, real.shape) and real.shape.any()
    assert not every_defect(source, "val", 64)


def drawn_and_expected(source: Source, row: pd.Series) -> tuple[Job, Pixels, Pixels]:
    """A planned job with a defect drawn, and its square repainted as good."""
    painter, job = painter_of(Brightening()), Job.planned(source, row, 64)
    ((_, expected),) = painter.as_good([job], 1)
    assert expected is not None
    return job, painter.composite(job, job.patch, painter.low([job], ["pit"], [1])[0]), expected


def test_only_what_differs_from_the_clean_square_and_from_what_is_expected_there_is_label(
    made: tuple[Source, pd.DataFrame],
) -> None:
    source, rows = made
    job, result, expected = drawn_and_expected(source, rows.iloc[0])
    assert iou(as_drawn(job, expected, result, NOISE).label, job.shape) > 0.6
    assert iou(as_drawn(job, job.clean, result, NOISE).label, job.shape) > 0.6
    assert not as_drawn(job, result, result, NOISE).label.any()
    assert not as_drawn(job, expected, job.clean, NOISE).label.any()


@pytest.mark.parametrize("name", ["small", "corner"])
def test_an_attempt_read_back_is_the_one_that_was_judged(
    made: tuple[Source, pd.DataFrame], tmp_path: Path, name: str
) -> None:
    source, rows = made
    row = rows.set_index("plan_id", drop=False).loc[name]
    job, result, expected = drawn_and_expected(source, row)
    drawn = as_drawn(job, expected, result, NOISE)
    assert iou(drawn.label, drawn.shape) > 0.6
    write_image(tmp_path / "crop.png", drawn.result)
    write_mask(tmp_path / "label.png", drawn.label)
    files = pd.Series({"crop_path": "crop.png", "label_path": "label.png"})
    kept = as_kept(tmp_path, source, pd.concat([row, files]), 64)
    for field, value in (vars(drawn) | {"visible": drawn.label}).items():
        assert np.array_equal(getattr(kept, field), value), field
