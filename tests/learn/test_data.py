"""Training examples: pure functions of (seed, index), balanced as promised; validation examples: always the same."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from oracles import same
from torch.utils.data import DataLoader

from defectgen.errors import UserError
from defectgen.imaging.files import to_float
from defectgen.imaging.region import grow
from defectgen.learn.data import DILATION, LEVELS, Example, From, PatchData, TrainingExamples, ValidationExamples
from defectgen.learn.patches import Patches
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec

DROPPED = 3


@pytest.fixture(scope="module")
def patches(manifest: Manifest, spec: DataSpec) -> Patches:
    return Patches(manifest, spec, "train")


@pytest.fixture(scope="module")
def held_out(manifest: Manifest, spec: DataSpec) -> Patches:
    return Patches(manifest, spec, "val")


@pytest.fixture(scope="module")
def many(patches: Patches, spec: DataSpec) -> list[Example]:
    """A run of examples that keep their labels."""
    examples = stream(patches, spec, good_share=0.35, drop=0)
    return [examples[index] for index in range(600)]


def stream(
    patches: Patches, spec: DataSpec, good_share: float = 0.35, drop: float = 0.1, seed: int = 3
) -> TrainingExamples:
    return TrainingExamples(patches, spec, 10**6, good_share, drop, seed)


def marked(x0: torch.Tensor) -> NDArray[np.bool_]:
    """The pixels a drawn defect changed: far from the surface they lie on."""
    return (x0 - x0.median()).abs()[0].numpy() > 0.25


def test_an_example_is_what_its_fields_promise(patches: Patches, spec: DataSpec) -> None:
    example = stream(patches, spec)[5]
    assert example["x0"].shape == example["noise"].shape == (1, 64, 64) and example["region"].shape == (1, 64, 64)
    assert example["x0"].dtype == example["noise"].dtype == example["region"].dtype == torch.float32
    assert example["label"].shape == () and example["label"].dtype == torch.int64
    assert example["uniform"].shape == () and example["uniform"].dtype == torch.float64
    assert set(example["region"].unique().tolist()) == {0, 1}


def test_an_example_follows_from_seed_and_index_alone(patches: Patches, spec: DataSpec) -> None:
    examples, again = stream(patches, spec), stream(patches, spec)
    forwards = [examples[index] for index in range(12)]
    backwards = [again[index] for index in reversed(range(12))][::-1]
    torch.manual_seed(99)
    assert all(same(one, other) for one, other in zip(forwards, backwards, strict=True))
    assert same(examples[7], forwards[7])


def test_workers_change_nothing(patches: Patches, spec: DataSpec) -> None:
    examples = stream(patches, spec)
    loader = DataLoader(examples, 3, sampler=From(4, 16), num_workers=2)
    for batch, start in zip(loader, range(4, 16, 3), strict=True):
        for row in range(3):
            assert same({field: values[row] for field, values in batch.items()}, examples[start + row])


def test_other_seeds_and_other_indices_give_other_examples(patches: Patches, spec: DataSpec) -> None:
    examples, other = stream(patches, spec), stream(patches, spec, seed=4)
    drawn = [examples[0], examples[1], other[0]]
    for values in zip(*((example["x0"], example["noise"], example["uniform"]) for example in drawn), strict=True):
        assert len({tuple(value.flatten().tolist()) for value in values}) == 3


def test_share_of_good_patches_is_as_asked(many: list[Example]) -> None:
    assert sum(int(example["label"]) == 0 for example in many) / len(many) == pytest.approx(0.35, abs=0.05)


def test_good_is_painted_on_clean_surface_and_defects_where_they_are(many: list[Example]) -> None:
    for example in many:
        clean_surface = float(example["x0"].median()) > 0
        assert clean_surface == (int(example["label"]) == 0)
        assert example["region"].any(), "a shape to paint, on clean surface too"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_share_of_good_patches_can_be_none_or_all(patches: Patches, spec: DataSpec, share: float) -> None:
    examples = stream(patches, spec, share, drop=0)
    labels = [int(examples[index]["label"]) for index in range(40)]
    assert {label == 0 for label in labels} == {share == 1}


def test_class_group_exposure_and_patch_are_drawn_uniformly_one_after_the_other(
    manifest: Manifest, patches: Patches
) -> None:
    """Group "often" has 15 of the 21 pits and is drawn as often as "once", which has one."""
    images = manifest.images[manifest.images["split"] == "train"].sort_values("image_id").reset_index(drop=True)
    table = images.reset_index(names="number").merge(manifest.instances[["image_id", "label"]], on="image_id")
    chance: dict[int, float] = {}
    for _, alike in table.groupby("label"):
        for _, group in alike.groupby("group"):
            for _, exposure in group.groupby("source_id"):
                choices = (table["label"].nunique(), alike["group"].nunique(), group["source_id"].nunique())
                chance |= dict.fromkeys(exposure["number"], 1 / np.prod([*choices, len(exposure)]))
    rng, count = np.random.default_rng(0), 20_000
    seen = Counter(patches.draw_defect(rng) for _ in range(count))
    assert set(seen) == set(chance) and sum(chance.values()) == pytest.approx(1)
    for number, expected in chance.items():
        assert seen[number] / count == pytest.approx(expected, abs=4 * np.sqrt(expected / count))


def test_region_covers_the_defect_after_every_augmentation(patches: Patches, spec: DataSpec) -> None:
    """Picture and mask are mirrored alike; what the defect changed lies in the region, with a margin."""
    examples = stream(patches, replace(spec, flips=["horizontal", "vertical", "transpose"]), good_share=0, drop=0)
    sides = Counter[bool]()
    for index in range(150):
        x0, region = examples[index]["x0"], examples[index]["region"][0].numpy() > 0
        defect = marked(x0)
        assert defect.any() and not (defect & ~region).any()
        assert region.sum() > defect.sum()
        assert not (region & ~grow(defect, DILATION[1] + 1.5)).any(), "and no farther than the margin"
        sides[bool(np.argwhere(defect).mean() < 32)] += 1
        assert x0.min() >= -1 and x0.max() <= 1
    assert min(sides.values()) > 30, "mirrored both ways"


def test_margin_varies_within_its_limits(patches: Patches, spec: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    number = min(patches.masks)
    monkeypatch.setattr(patches, "draw_defect", lambda rng: number)
    examples = stream(patches, replace(spec, flips=[]), good_share=0)
    areas = [int(examples[index]["region"].sum()) for index in range(60)]
    least, most = (int(grow(patches.masks[number], margin).sum()) for margin in DILATION)
    assert least <= min(areas) < least + (most - least) / 4 and most - (most - least) / 4 < max(areas) <= most


@pytest.mark.parametrize("start", [0, 1, 777, 500_000])
@pytest.mark.parametrize("count", [16, 100])
def test_levels_are_stratified_over_any_run_of_examples(
    patches: Patches, spec: DataSpec, start: int, count: int
) -> None:
    examples = stream(patches, spec)
    levels = np.sort([float(examples[start + index]["uniform"]) for index in range(count)])
    assert levels[0] >= 0 and levels[-1] < 1
    gaps = np.diff(np.concatenate([levels, [levels[0] + 1]]))
    assert gaps.max() < 3 / count, "no stretch of the schedule is left out"
    assert gaps.min() > 0.3 / count, "and none is visited twice"


def test_level_says_nothing_about_the_label(many: list[Example]) -> None:
    good = [float(example["uniform"]) for example in many if int(example["label"]) == 0]
    assert float(np.mean(good)) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("drop", "tolerance"), [(0.0, 0.0), (0.2, 0.05), (1.0, 0.0)])
def test_share_of_dropped_labels_is_as_asked(patches: Patches, spec: DataSpec, drop: float, tolerance: float) -> None:
    examples = stream(patches, spec, drop=drop)
    labels = [int(examples[index]["label"]) for index in range(400)]
    assert sum(label == DROPPED for label in labels) / 400 == pytest.approx(drop, abs=tolerance)


def test_good_labels_are_dropped_like_any_other(patches: Patches, spec: DataSpec) -> None:
    examples = stream(patches, spec, drop=0.5)
    drawn = [examples[index] for index in range(300)]
    dropped = [float(example["x0"].median()) > 0 for example in drawn if int(example["label"]) == DROPPED]
    assert sum(dropped) / len(dropped) == pytest.approx(0.35, abs=0.1)


def test_noise_is_standard_normal(patches: Patches, spec: DataSpec) -> None:
    examples = stream(patches, spec)
    noise = torch.stack([examples[index]["noise"] for index in range(10)])
    assert float(noise.mean()) == pytest.approx(0, abs=0.03) and float(noise.std()) == pytest.approx(1, abs=0.03)


def test_colour_patches_keep_their_channels(colour_manifest: Manifest, spec: DataSpec) -> None:
    patches = Patches(colour_manifest, replace(spec, channels=3), "train")
    assert stream(patches, spec)[0]["x0"].shape == (3, 64, 64)


def test_only_the_split_asked_for_is_read(manifest: Manifest, patches: Patches, held_out: Patches) -> None:
    counts = manifest.images["split"].value_counts()
    assert (len(patches.pictures), len(held_out.pictures)) == (counts["train"], counts["val"])
    kept = {picture.tobytes() for picture in patches.pictures}
    assert not kept & {picture.tobytes() for picture in held_out.pictures}


def test_labels_follow_the_spec(manifest: Manifest, patches: Patches) -> None:
    images = manifest.images[manifest.images["split"] == "train"].sort_values("image_id")
    labels = manifest.instances.set_index("image_id")["label"].reindex(images["image_id"]).fillna("good")
    assert patches.labels == [["good", "pit", "scratch"].index(label) for label in labels]
    assert patches.good == [number for number, label in enumerate(labels) if label == "good"]


def test_without_defects_training_is_refused_in_one_line(manifest: Manifest, spec: DataSpec) -> None:
    with pytest.raises(UserError, match="no training patch shows a defect") as raised:
        stream(Patches(manifest, spec, "reserve"), spec)
    assert "\n" not in str(raised.value)


def test_without_clean_patches_every_example_is_a_defect(manifest: Manifest, spec: DataSpec) -> None:
    dirty = manifest.images["image_id"].isin(manifest.instances["image_id"])
    examples = stream(Patches(replace(manifest, images=manifest.images[dirty]), spec, "train"), spec)
    assert 0 not in {int(examples[index]["label"]) for index in range(50)}


def test_validation_examples_are_always_the_same(held_out: Patches, spec: DataSpec) -> None:
    first, second = (ValidationExamples(held_out, spec, 2, seed=3) for _ in range(2))
    assert len(first) == len(second) > 0
    assert all(same(first[index], second[index]) for index in reversed(range(len(first))))
    other = ValidationExamples(held_out, spec, 2, seed=4)
    assert not torch.equal(other[0]["noise"], first[0]["noise"])


def test_validation_looks_at_some_defects_of_each_class_at_every_level(
    manifest: Manifest, held_out: Patches, spec: DataSpec
) -> None:
    examples = ValidationExamples(held_out, spec, 2, seed=3)
    seen = [examples[index] for index in range(len(examples))]
    assert Counter(int(example["label"]) for example in seen) == {1: 2 * len(LEVELS), 2: 2 * len(LEVELS)}
    assert Counter(float(example["uniform"]) for example in seen) == dict.fromkeys(LEVELS, 4)
    noises = {tuple(example["noise"][0, 0].tolist()) for example in seen}
    assert len(noises) == len(seen), "every one its own noise"
    pictures = {to_float(manifest.read(row)).tobytes() for _, row in manifest.images.iterrows()}
    for example in seen:
        assert example["x0"].numpy().tobytes() in pictures, "as it is, not augmented"
        assert not (grow(marked(example["x0"]), 1) & (example["region"][0].numpy() == 0)).any(), "with a margin"


def test_validation_takes_all_patches_where_there_are_few(held_out: Patches, spec: DataSpec) -> None:
    assert len(ValidationExamples(held_out, spec, 50, seed=3)) == len(held_out.masks) * len(LEVELS)


def test_validation_patches_are_spread_over_the_exposures(patches: Patches, spec: DataSpec) -> None:
    chosen = sorted({number for number, _ in ValidationExamples(patches, spec, 3, seed=0).cases})
    pits = [number for number, label in enumerate(patches.labels) if label == 1]
    assert [number for number in chosen if number in pits] == [pits[0], pits[7], pits[14]]


def test_loaders_start_at_the_first_example_and_keep_their_order(
    patches: Patches, held_out: Patches, spec: DataSpec
) -> None:
    training = TrainingExamples(patches, spec, 12, 0.35, 0.1, seed=3)
    data = PatchData(training, ValidationExamples(held_out, spec, 2, seed=3), batch=4)
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader()) == 3
    noise = torch.cat([batch["noise"] for batch in batches])
    assert torch.equal(noise, torch.stack([training[index]["noise"] for index in range(12)]))
    assert PatchData(training, None, batch=4).val_dataloader() == []


def test_an_example_tells_its_class_its_looks_and_another_parts_defect(manifest: Manifest, spec: DataSpec) -> None:
    patches = Patches(manifest, spec, "train")
    examples = TrainingExamples(patches, spec, 60, good_share=0.3, drop=0.3, seed=1)
    said = set()
    for index in range(60):
        example = examples[index]
        label, picture, marked = int(example["label"]), example["reference"][:-1], example["reference"][-1]
        if label == len(spec.classes):
            assert example["text"] == "" and not example["reference"].any(), "what is not told is told in no way"
            continue
        assert spec.classes[label] in example["text"]
        said |= set(example["text"].replace(",", "").split())
        (found,) = [n for n, one in enumerate(patches.pictures) if torch.equal(torch.from_numpy(one), picture)]
        assert patches.labels[found] == label and bool(marked.any()) == (label > 0)
        shown = [n for n, one in enumerate(patches.pictures) if np.allclose(one, example["x0"], atol=0.3)]
        assert label == 0 or patches.groups[found] not in {
            patches.groups[n] for n in shown if patches.labels[n] == label
        }
    assert {"dark", "bright", "surface"} <= said


def test_where_all_defects_of_a_class_are_of_one_part_there_is_no_example(manifest: Manifest, spec: DataSpec) -> None:
    patches = Patches(manifest, spec, "train")
    number = next(iter(patches.masks))
    label = patches.labels[number]
    patches.tree[label] = {patches.groups[number]: {"one": [number]}}
    asked = patches.tell(number, patches.pictures[number], patches.masks[number], np.random.default_rng(0))
    assert not asked.reference.any() and asked.label == label
