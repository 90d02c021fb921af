"""The critic: what it is shown, what it learns, what its folder keeps, how it is marked."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from defectgen.errors import UserError
from defectgen.learn.critic import (
    CHUNK,
    Critic,
    CriticExamples,
    CriticModule,
    Example,
    load_critic,
    save_critic,
    zoomed,
)
from defectgen.learn.data import Patches
from defectgen.manifest import Manifest
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec
from defectgen.stages.critic import critic, judged


@pytest.fixture(scope="module")
def examples(manifest: Manifest, spec: DataSpec) -> CriticExamples:
    return CriticExamples(Patches(manifest, spec, "train"), spec, 400, seed=7)


@pytest.fixture(scope="module")
def trained(manifest: Manifest, spec: DataSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The stage's folder after a training on drawn patches, and the digest it returned."""
    spec.save(manifest.folder)
    out = tmp_path_factory.mktemp("critic")
    return out, critic(out, manifest.folder, 0, steps=60, batch=12)


def _noise(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (count, 1, 64, 64)).astype(np.float32)


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


def test_it_learns_to_tell_drawn_defects(trained: tuple[Path, str]) -> None:
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    assert metrics["balanced_accuracy"] > 0.8
    assert metrics["balanced_accuracy"] == pytest.approx(np.mean(list(metrics["recall"].values())))
    assert set(metrics["recall"]) == {"good", "pit", "scratch"}
    assert metrics["validation_patches"] == 7


def test_the_folder_gives_back_the_critic_that_was_marked(
    trained: tuple[Path, str], manifest: Manifest, spec: DataSpec
) -> None:
    out, digest = trained
    weights = out / "checkpoint" / "weights.safetensors"
    loaded = load_critic(out / "checkpoint")
    assert loaded.digest == digest == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert loaded.spec == spec
    assert judged(loaded, Patches(manifest, spec, "val")) == json.loads((out / "metrics.json").read_text())
    assert not list((out / "checkpoint").glob("*.ckpt"))


def test_the_same_seed_gives_the_same_weights(manifest: Manifest, spec: DataSpec, tmp_path: Path) -> None:
    spec.save(manifest.folder)
    digests = [
        critic(tmp_path / str(run), manifest.folder, seed, steps=2, batch=4) for run, seed in enumerate([0, 0, 1])
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_killed_training_ends_with_the_same_weights(
    manifest: Manifest, spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec.save(manifest.folder)
    undisturbed = critic(tmp_path / "undisturbed", manifest.folder, 0, steps=12, batch=4)
    step, seen = CriticModule.training_step, list[int]()

    def killed(module: CriticModule, batch: Example, index: int) -> torch.Tensor:
        if len(seen) == 7:
            raise RuntimeError("killed")
        seen.append(index)
        return step(module, batch, index)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr(CriticModule, "training_step", killed)
        critic(tmp_path / "killed", manifest.folder, 0, steps=12, batch=4)
    assert critic(tmp_path / "killed", manifest.folder, 0, steps=12, batch=4) == undisturbed


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_is_left_of_a_mixed_pair_keeps_its_label(
    share: float, spec: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = CriticModule(Classifier(spec), learning_rate=1e-3, steps=1)
    monkeypatch.setattr(module, "log", lambda *arguments, **keywords: None)
    patches, labels = torch.from_numpy(_noise(2)), torch.tensor([0, 1])
    loss = module.training_step(Example(patch=patches, label=labels, share=torch.full((2,), share)), 0)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(module.network(patches), labels))


def test_without_held_out_patches_it_is_trained_and_not_marked(
    manifest: Manifest, spec: DataSpec, tmp_path: Path
) -> None:
    images = manifest.images[manifest.images["split"] != "val"]
    instances = manifest.instances[manifest.instances["image_id"].isin(images["image_id"])]
    patches = replace(manifest, images=images, instances=instances)
    for name in ("images", "masks"):
        (tmp_path / "patch").mkdir(exist_ok=True)
        (tmp_path / "patch" / name).symlink_to(manifest.folder / name)
    replace(patches, folder=tmp_path / "patch").save()
    spec.save(tmp_path / "patch")
    critic(tmp_path / "out", tmp_path / "patch", 0, steps=2, batch=4)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics == {"balanced_accuracy": None, "recall": {}, "validation_patches": 0}
    assert load_critic(tmp_path / "out/checkpoint").spec == spec


def test_probabilities_do_not_depend_on_what_is_judged_beside(trained: tuple[Path, str]) -> None:
    loaded = load_critic(trained[0] / "checkpoint")
    patches = _noise(CHUNK + 3)
    together = loaded.predict(patches)
    assert together.shape == (CHUNK + 3, 3)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    for number in (0, CHUNK - 1, CHUNK, CHUNK + 2):
        np.testing.assert_allclose(loaded.predict(patches[number : number + 1])[0], together[number], atol=1e-5)


def test_balanced_accuracy_counts_classes_not_patches(manifest: Manifest, spec: DataSpec) -> None:
    held_out = Patches(manifest, spec, "val")
    one_track = _always(1, spec)
    assert judged(one_track, held_out) == {
        "balanced_accuracy": pytest.approx(1 / 3),
        "recall": {"good": 0.0, "pit": 1.0, "scratch": 0.0},
        "validation_patches": 7,
    }


def test_a_class_nobody_held_out_has_no_recall(manifest: Manifest, spec: DataSpec) -> None:
    more = replace(spec, classes=[*spec.classes, "stain"])
    marks = judged(_always(3, more), Patches(manifest, more, "val"))
    assert marks["recall"] == {"good": 0.0, "pit": 0.0, "scratch": 0.0}
    assert marks["balanced_accuracy"] == 0


def _always(label: int, spec: DataSpec) -> Critic:
    """A critic that calls everything by one class."""
    network = Classifier(spec).eval()
    with torch.no_grad():
        network.logits.weight.zero_()
        network.logits.bias.copy_(torch.eye(len(spec.classes))[label])
    return Critic(network, spec, "")


def test_weights_that_are_not_the_config_s_are_refused(spec: DataSpec, tmp_path: Path) -> None:
    save_critic(tmp_path / "one", Classifier(spec), spec, "one")
    save_critic(tmp_path / "two", Classifier(spec, width=16), spec, "two")
    assert load_critic(tmp_path / "two").network.width == 16
    (tmp_path / "one/weights.safetensors").write_bytes((tmp_path / "two/weights.safetensors").read_bytes())
    with pytest.raises(UserError, match="not the weights"):
        load_critic(tmp_path / "one")


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a usable checkpoint"):
        load_critic(tmp_path)
