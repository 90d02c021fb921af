"""Training the critic: what it is shown, and whose turn it is."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from defectgen.errors import UserError
from defectgen.learn.critic_training import CriticExamples, CriticModule, Turn, Turns, zoomed
from defectgen.learn.patches import Patches
from defectgen.manifest import Manifest
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec


@pytest.fixture(scope="module")
def examples(manifest: Manifest, spec: DataSpec) -> CriticExamples:
    return CriticExamples(Patches(manifest, spec, "train"), spec, 400, seed=7)


def module_of(members: list[Classifier], monkeypatch: pytest.MonkeyPatch) -> CriticModule:
    module = CriticModule(members, learning_rate=1e-3, steps=1)
    monkeypatch.setattr(module, "log", lambda *arguments, **keywords: None)
    return module


def a_turn(member: int, share: float) -> Turn:
    patches = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 1, 64, 64)).astype(np.float32))
    shares, members = torch.full((2,), share), torch.full((2,), member)
    return Turn(patch=patches, label=torch.tensor([0, 1]), share=shares, member=members)


@pytest.mark.parametrize("box", [(0, 0, 5, 9), (59, 0, 64, 64), (20, 30, 33, 40), (4, 4, 56, 56), (60, 61, 64, 64)])
def test_a_crop_keeps_a_defect_that_fits(box: tuple[int, int, int, int]) -> None:
    top, left, bottom, right = box
    mask = np.zeros((64, 64), bool)
    mask[top:bottom, left:right] = True
    picture = np.where(mask, 1, -1)[None].astype(np.float32)
    least = min(bottom - top, 52) * min(right - left, 52)  # a crop shows it as large as it was, or larger
    for seed in range(20):
        crop = zoomed(picture, mask, np.random.default_rng(seed))
        assert crop.shape == picture.shape and crop.dtype == np.float32 and abs(crop).max() <= 1
        assert ((crop + 1) / 2).sum() >= 0.97 * least


def test_crops_of_clean_surface_vary_in_size_and_place() -> None:
    ramp = np.broadcast_to(np.linspace(-1, 1, 64, dtype=np.float32), (1, 64, 64))
    crops = [zoomed(ramp, np.zeros((64, 64), bool), np.random.default_rng(seed)) for seed in range(60)]
    spans = [crop.max() - crop.min() for crop in crops]
    centres = [crop.mean() for crop in crops]
    assert 1.5 < min(spans) < 1.75
    assert max(spans) > 1.95
    assert min(centres) < -0.1
    assert max(centres) > 0.1


def test_an_example_depends_on_seed_and_index_alone(
    examples: CriticExamples, manifest: Manifest, spec: DataSpec
) -> None:
    again = CriticExamples(examples.patches, spec, 3, seed=7)
    other = CriticExamples(examples.patches, spec, 3, seed=8)
    backwards = {index: again[index] for index in (2, 1, 0)}
    for index in range(3):
        torch.testing.assert_close(dict(backwards[index]), dict(examples[index]), rtol=0, atol=0)
        assert not torch.equal(other[index]["patch"], examples[index]["patch"])


def test_the_picture_shows_what_the_label_says(examples: CriticExamples) -> None:
    for index in range(60):
        example = examples[index]
        middle = example["patch"].median()
        darker, brighter = middle - example["patch"].min(), example["patch"].max() - middle
        assert int(example["label"]) == (2 if brighter > 0.5 else 1 if darker > 0.15 else 0)


def test_classes_are_shown_equally_often(examples: CriticExamples) -> None:
    counts = Counter(int(examples[index]["label"]) for index in range(len(examples)))
    assert set(counts) == {0, 1, 2}
    assert min(counts.values()) > 0.8 * len(examples) / 3


def test_without_clean_patches_only_defects_are_shown(manifest: Manifest, spec: DataSpec) -> None:
    defects = manifest.images[manifest.images["image_id"].isin(manifest.instances["image_id"])]
    examples = CriticExamples(Patches(replace(manifest, images=defects), spec, "train"), spec, 40, seed=0)
    assert {int(examples[index]["label"]) for index in range(40)} == {1, 2}


def test_without_defects_there_is_nothing_to_learn(manifest: Manifest, spec: DataSpec) -> None:
    clean = manifest.images[~manifest.images["image_id"].isin(manifest.instances["image_id"])]
    with pytest.raises(UserError, match="no training patch shows a defect"):
        CriticExamples(Patches(replace(manifest, images=clean), spec, "train"), spec, 40, seed=0)


def test_each_member_goes_through_its_own_stream_batch_by_batch(examples: CriticExamples, spec: DataSpec) -> None:
    other = CriticExamples(examples.patches, spec, 400, seed=8)
    turns = Turns([examples, other], batch=3)
    assert len(turns) == 800
    seen = [turns[index] for index in range(12)]
    assert [int(turn["member"]) for turn in seen] == [0, 0, 0, 1, 1, 1] * 2
    for member, stream in enumerate([examples, other]):
        own = [turn for turn in seen if turn["member"] == member]
        for index, turn in enumerate(own):
            torch.testing.assert_close(turn["patch"], stream[index]["patch"], rtol=0, atol=0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_is_left_of_a_mixed_pair_keeps_its_label(
    share: float, spec: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    module = module_of([Classifier(spec)], monkeypatch)
    turn = a_turn(0, share)
    expected = torch.nn.functional.cross_entropy(module.members[0](turn["patch"]), turn["label"])
    torch.testing.assert_close(module.training_step(turn, 0), expected)


def test_a_step_leaves_the_other_members_as_they_are(spec: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of([Classifier(spec, width=8) for _ in range(3)], monkeypatch)
    optimizer = module.configure_optimizers()["optimizer"]
    for member in (0, 1):  # the first has moments and a gradient when it is the second's turn
        before = [[weight.clone() for weight in each.parameters()] for each in module.members]
        optimizer.zero_grad()
        module.training_step(a_turn(member, 0.3), 0).backward()
        optimizer.step()
        changed = [
            any(not torch.equal(weight, old) for weight, old in zip(each.parameters(), olds, strict=True))
            for each, olds in zip(module.members, before, strict=True)
        ]
        assert changed == [number == member for number in range(3)]


def test_all_members_warm_up_and_cool_down_alike(spec: DataSpec) -> None:
    module = CriticModule([Classifier(spec, width=8) for _ in range(3)], learning_rate=1e-3, steps=200)
    rates = np.array([module._rate(step) for step in range(600)]).reshape(200, 3)
    assert (rates == rates[:, :1]).all()
    assert rates[0, 0] < 0.03 < 0.8 < rates.max() and rates[-1, 0] < 0.001
