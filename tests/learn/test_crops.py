"""Crops of large patches: what an example shows, what it follows from, and what validation always looks at."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from oracles import same

from defectgen.learn.crops import AUGMENTATION, HeldCrops, UpsamplingExample, UpsamplingExamples, upsampling_of
from defectgen.learn.data import LEVELS
from defectgen.learn.large import LargePatch
from defectgen.learn.patches import any_of
from defectgen.learn.upsample import DOUBT, FACTOR, detail, reduced

SIDE, CROP, DROPPED, MANY = 64, 32, 3, 40


def patches() -> list[LargePatch]:
    rng = np.random.default_rng(0)
    pictures = rng.uniform(-1, 1, (3, 1, SIDE, SIDE)).astype(np.float32)
    masks = np.zeros((3, SIDE, SIDE), bool)
    masks[0, :5, :5] = masks[1, 30:34, 40:60] = masks[2, 60:, 60:] = True
    return [LargePatch(*parts) for parts in zip(pictures, masks, (0, 1, 2), strict=True)]


class Few:
    """Any of a few."""

    def __init__(self, shown: list[LargePatch]) -> None:
        self.shown = shown

    def draw(self, rng: np.random.Generator) -> LargePatch:
        return any_of(rng, self.shown)


def examples(flips: Sequence[str] = (), drop: float = 0.0) -> UpsamplingExamples:
    return UpsamplingExamples(Few(patches()), CROP, list(flips), MANY, drop, DROPPED, seed=4)


def low_of(example: UpsamplingExample) -> torch.Tensor:
    """The low-resolution picture in the context, enlarged."""
    return example["context"][len(example["x0"]) :]


def test_an_example_follows_from_seed_and_number_alone() -> None:
    assert same(examples()[11], examples()[11])


def test_examples_are_crops_on_the_low_resolutions_grid_that_show_the_defect() -> None:
    starts = range(0, SIDE - CROP + 1, FACTOR)
    for index in range(8):
        example = examples()[index]
        assert example["x0"].shape == (1, CROP, CROP) and example["context"].shape == (2, CROP, CROP)
        assert example["region"].any() and not example["region"].all()
        picture = patches()[int(example["label"])][0][0]
        windows = [picture[None, None, top : top + CROP, left : left + CROP] for top in starts for left in starts]
        details = [detail(window, reduced(window)) for window in map(torch.from_numpy, windows)]
        seen = example["x0"].numpy().ravel()
        likeness = [np.corrcoef(seen, one.numpy().ravel())[0, 1] for one in details]
        assert sum(value > 0.98 for value in likeness) == 1, "another light at the most"
    assert {int(examples()[index]["label"]) for index in range(MANY)} == {0, 1, 2}


def test_the_low_resolution_picture_is_as_noisy_as_it_is_told_to_be() -> None:
    levels, found = [], []
    plain = [patch._replace(picture=np.zeros_like(patch.picture)) for patch in patches()]
    for index in range(MANY):
        example = UpsamplingExamples(Few(plain), CROP, [], MANY, 0.0, DROPPED, seed=4)[index]
        assert example["x0"].abs().max() < 1e-5, "there is no detail"
        levels.append(float(example["augmentation"].exp()))
        found.append(float(reduced(low_of(example)[None]).std()))
    assert AUGMENTATION[0] <= min(levels) and max(levels) <= AUGMENTATION[1] and max(levels) > 5 * min(levels)
    assert np.corrcoef(levels, found)[0, 1] > 0.95


@pytest.mark.parametrize("grey", [True, False])
def test_a_camera_without_colour_has_one_noise_in_the_picture_and_in_the_low_resolution_one(grey: bool) -> None:
    shown = [patch._replace(picture=patch.picture.repeat(3, axis=0), grey=grey) for patch in patches()]
    trained, held = UpsamplingExamples(Few(shown), CROP, [], MANY, 0.0, DROPPED, seed=4), HeldCrops(shown, CROP, seed=7)
    for example in (*(trained[index] for index in range(8)), held[2]):
        assert all(torch.equal(example["x0"][0], colour) for colour in example["x0"])
        for part in (example["noise"], low_of(example)):
            assert all(torch.equal(part[0], colour) == grey for colour in part[1:])


def test_labels_are_dropped_as_often_as_asked() -> None:
    assert {int(examples(drop=1.0)[index]["label"]) for index in range(5)} == {DROPPED}


def test_a_batch_of_examples_tells_its_network_all_of_it() -> None:
    batch = torch.utils.data.default_collate([examples()[index] for index in range(2)])
    cond = upsampling_of(batch, DROPPED)
    assert torch.equal(cond.context, batch["context"]) and torch.equal(cond.region, batch["region"])
    assert torch.equal(cond.context[:, :1], batch["x0"] * (1 - batch["region"]))
    assert torch.equal(cond.label, batch["label"]) and cond.dropped == DROPPED
    assert cond.augmentation is not None and torch.equal(cond.augmentation, batch["augmentation"])


def test_validation_sees_one_crop_of_each_patch_at_every_level_with_the_same_noise() -> None:
    held = HeldCrops(patches(), CROP, seed=7)
    assert len(held) == 3 * len(LEVELS)
    seen = [held[index] for index in range(len(held))]
    for number, (_, _, label, _) in enumerate(patches()):
        mine = seen[number * len(LEVELS) : (number + 1) * len(LEVELS)]
        assert [float(example["uniform"]) for example in mine] == list(LEVELS)
        for example in mine:
            assert int(example["label"]) == label and example["region"].any()
            assert float(example["augmentation"].exp()) == np.float32(np.exp(np.float32(np.log(DOUBT))))
            for part in ("x0", "region", "context", "noise"):
                assert torch.equal(example[part], mine[0][part])


def test_validation_is_the_same_every_time_and_follows_the_seed() -> None:
    first, again, other = HeldCrops(patches(), CROP, 7), HeldCrops(patches(), CROP, 7), HeldCrops(patches(), CROP, 8)
    for index in (3, 12, 3):
        assert same(first[index], again[index])
        assert not torch.equal(first[index]["noise"], other[index]["noise"])
    assert not torch.equal(first[0]["noise"], first[len(LEVELS)]["noise"]), "of each patch its own"
