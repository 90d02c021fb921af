"""Drawn examples: what the prior and a share of a product's training learn from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import same

from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import to_float
from defectgen.learn.data import LEVELS
from defectgen.learn.drawn import CLASSES, UNSAID, DrawnExamples, HeldDrawings, Mixed
from defectgen.manifest import make_seed
from defectgen.nn.embed import ANY_DEFECT
from defectgen.spec import DataSpec

TAUGHT = DataSpec(3, CLASSES, 0.35, 32)
GREY = DataSpec(1, ["good", "chip"], 0.2, 32)
MANY = 60


def drawn(spec: DataSpec = TAUGHT, good_share: float = 0.25, drop: float = 0.0, seed: int = 5) -> DrawnExamples:
    return DrawnExamples(spec, MANY, good_share, drop, seed)


def test_an_example_follows_from_seed_and_number_alone() -> None:
    assert same(drawn()[9], drawn()[9])


def test_the_defect_is_inside_the_region_and_good_patches_have_none() -> None:
    examples, teacher = drawn(), Teacher(TAUGHT.size, make_seed(5, "teacher"))
    good = 0
    for index in range(MANY):
        example, lesson = examples[index], teacher(index)
        assert example["region"][0].numpy()[lesson.mask].all()
        shown = lesson.clean if example["label"] == 0 else lesson.picture
        np.testing.assert_array_equal(example["x0"], to_float(shown))
        good += int(example["label"] == 0)
    assert 0.1 * MANY < good < 0.4 * MANY


def test_a_defect_is_named_as_described_or_only_called_a_defect() -> None:
    examples, teacher = drawn(good_share=0), Teacher(TAUGHT.size, make_seed(5, "teacher"))
    labels = [int(examples[index]["label"]) for index in range(MANY)]
    unsaid = [label == ANY_DEFECT for label in labels]
    assert 0.3 * UNSAID < np.mean(unsaid) < 2 * UNSAID
    for index, label in enumerate(labels):
        assert label == ANY_DEFECT or CLASSES[label] == teacher(index).description


def test_dropped_labels_and_products_that_have_no_such_class() -> None:
    assert {int(drawn(drop=1.0)[index]["label"]) for index in range(5)} == {len(CLASSES)}
    assert {int(drawn(GREY, good_share=0)[index]["label"]) for index in range(5)} == {len(GREY.classes)}
    assert {int(drawn(GREY, good_share=1)[index]["label"]) for index in range(5)} == {0}


def test_a_camera_without_colour_has_one_noise_and_any_other_has_three() -> None:
    examples, teacher = drawn(), Teacher(TAUGHT.size, make_seed(5, "teacher"))
    for index in range(12):
        noise = examples[index]["noise"]
        assert torch.equal(noise[0], noise[1]) == teacher(index).grey


def test_a_grey_product_sees_grey_drawings() -> None:
    assert drawn(GREY)[0]["x0"].shape == (1, 32, 32)


def test_held_drawings_are_at_every_level_and_in_no_training() -> None:
    held = HeldDrawings(TAUGHT, 3, 5)
    assert len(held) == 3 * len(LEVELS)
    assert [float(held[index]["uniform"]) for index in range(len(LEVELS))] == list(LEVELS)
    for first in range(0, len(held), len(LEVELS)):
        assert all(torch.equal(held[first]["x0"], held[first + more]["x0"]) for more in range(len(LEVELS)))
    trained = [drawn()[index]["x0"] for index in range(MANY)]
    assert not any(torch.equal(held[0]["x0"], other) for other in trained)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_mixture_takes_the_share_it_is_told(share: float) -> None:
    own, other = drawn(), drawn(seed=6)
    mixed = Mixed(own, other, share, seed=1)
    assert len(mixed) == MANY
    taken = [torch.equal(mixed[index]["x0"], other[index]["x0"]) for index in range(MANY)]
    assert abs(np.mean(taken) - share) < 0.15
    kept = [torch.equal(mixed[index]["x0"], own[index]["x0"]) for index in range(MANY)]
    assert kept == [not one for one in taken]


def test_size_follows_the_spec() -> None:
    assert drawn(replace(TAUGHT, size=48))[0]["x0"].shape == (3, 48, 48)
