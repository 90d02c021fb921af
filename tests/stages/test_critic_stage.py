"""critic: what its members learn, what of it nobody may have shown them, and how they are marked."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from critics import always

from defectgen.imaging.files import pixel_hash, write_image
from defectgen.learn.critic import CrossFitted, load_critic
from defectgen.learn.critic_training import CriticModule, Turn
from defectgen.learn.patches import Patches
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec
from defectgen.stages.critic import critic, judged, out_of_fold, training_patches


@pytest.fixture(scope="module")
def trained(manifest: Manifest, spec: DataSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The stage's folder after a training on drawn patches, and the digest it returned."""
    spec.save(manifest.folder)
    out = tmp_path_factory.mktemp("critic")
    return out, critic(out, manifest.folder, 0, steps=40, batch=12)


def without_held_out(manifest: Manifest, spec: DataSpec, folder: Path, inverted: str = "") -> Path:
    """A folder of the training patches alone, those of one group with black and white exchanged."""
    folder.mkdir()
    (folder / "masks").symlink_to(manifest.folder / "masks")
    images = manifest.images[manifest.images["split"] == "train"].copy()
    for number, row in images.iterrows():
        pixels = manifest.read(row) if row["group"] != inverted else 255 - manifest.read(row)
        write_image(folder / row["image_path"], pixels)
        images.loc[number, "image_sha256"] = pixel_hash(pixels)
    instances = manifest.instances[manifest.instances["image_id"].isin(images["image_id"])]
    Manifest(folder, images, instances).save()
    spec.save(folder)
    return folder


def weights(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((out / "checkpoint").glob("*.safetensors"))]


def test_it_learns_to_tell_drawn_defects(trained: tuple[Path, str]) -> None:
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    assert metrics["balanced_accuracy"] > 0.8
    assert metrics["balanced_accuracy"] == pytest.approx(np.mean(list(metrics["recall"].values())))
    assert set(metrics["recall"]) == {"good", "pit", "scratch"}
    assert metrics["validation_patches"] == 7


def test_its_figures_on_training_patches_are_of_groups_in_folds(trained: tuple[Path, str]) -> None:
    unseen = json.loads((trained[0] / "metrics.json").read_text())["out_of_fold"]
    assert unseen["groups"] == {"pit": 3, "scratch": 2}  # all clean patches are of one group, which each member needs
    assert unseen["patches"] == 24
    assert unseen["balanced_accuracy"] == pytest.approx(np.mean(list(unseen["recall"].values())))
    assert unseen["balanced_accuracy"] > 0.5


def test_the_folder_gives_back_the_critic_that_was_marked(
    trained: tuple[Path, str], manifest: Manifest, spec: DataSpec
) -> None:
    out, digest = trained
    loaded = load_critic(out / "checkpoint")
    assert (loaded.digest, loaded.spec, len(loaded.members)) == (digest, spec, 3)
    marks = json.loads((out / "metrics.json").read_text())
    shown = training_patches(manifest)
    assert judged(loaded, Patches(manifest, spec, "val")).items() <= marks.items()
    assert out_of_fold(loaded, Patches(manifest, spec, "train"), shown) == marks["out_of_fold"]
    assert "member i has not seen those of fold i" in (out / "checkpoint/MODEL_CARD.md").read_text()
    assert not list((out / "checkpoint").glob("*.ckpt"))


def test_nothing_in_a_fold_reaches_its_member(manifest: Manifest, spec: DataSpec, tmp_path: Path) -> None:
    for name, inverted in {"before": "", "after": "often"}.items():
        patches = without_held_out(manifest, spec, tmp_path / f"{name}-patches", inverted)
        critic(tmp_path / name, patches, 0, steps=6, batch=4)
    folds = load_critic(tmp_path / "before/checkpoint").folds
    assert folds.keys() == {"lone", "often", "once", "twice"}
    pairs = zip(weights(tmp_path / "before"), weights(tmp_path / "after"), strict=True)
    assert [one == other for one, other in pairs] == [number == folds["often"] for number in range(3)]


def test_the_same_seed_gives_the_same_weights(manifest: Manifest, spec: DataSpec, tmp_path: Path) -> None:
    spec.save(manifest.folder)
    digests = [
        critic(tmp_path / str(run), manifest.folder, seed, steps=2, batch=4) for run, seed in enumerate([0, 0, 1])
    ]
    assert digests[0] == digests[1] != digests[2]
    assert len(set(weights(tmp_path / "0"))) == 3
    assert weights(tmp_path / "0") == weights(tmp_path / "1")


def test_a_killed_training_ends_with_the_same_weights(
    manifest: Manifest, spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec.save(manifest.folder)
    undisturbed = critic(tmp_path / "undisturbed", manifest.folder, 0, steps=4, batch=4)
    step, turns = CriticModule.training_step, list[int]()

    def counted(module: CriticModule, batch: Turn, index: int) -> torch.Tensor:
        turns.append(int(batch["member"][0]))
        if len(turns) == 8:
            raise RuntimeError("killed")
        return step(module, batch, index)

    monkeypatch.setattr(CriticModule, "training_step", counted)
    with pytest.raises(RuntimeError, match="killed"):
        critic(tmp_path / "killed", manifest.folder, 0, steps=4, batch=4)
    assert turns == [0, 1, 2, 0, 1, 2, 0, 1]
    assert critic(tmp_path / "killed", manifest.folder, 0, steps=4, batch=4) == undisturbed
    assert turns[8:] == [1, 2, 0, 1, 2, 0, 1, 2]  # from the validation after four of the twelve steps


def test_a_finished_training_is_not_trained_again(
    trained: tuple[Path, str], manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, digest = trained
    monkeypatch.setattr(CriticModule, "training_step", lambda *arguments: pytest.fail("trained again"))
    assert critic(out, manifest.folder, 0, steps=40, batch=12) == digest


def test_without_held_out_patches_it_is_trained_and_marked_out_of_fold_only(
    manifest: Manifest, spec: DataSpec, tmp_path: Path
) -> None:
    patches = without_held_out(manifest, spec, tmp_path / "patch")
    critic(tmp_path / "out", patches, 0, steps=2, batch=4)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics.pop("out_of_fold")["patches"] == 24
    assert metrics == {"balanced_accuracy": None, "recall": {}, "validation_patches": 0}


def test_where_every_class_has_one_group_nothing_is_out_of_fold(
    manifest: Manifest, spec: DataSpec, tmp_path: Path
) -> None:
    few = manifest.images[manifest.images["group"].isin(["once", "lone", "clean"])]
    patches = without_held_out(replace(manifest, images=few), spec, tmp_path / "patch")
    critic(tmp_path / "out", patches, 0, steps=2, batch=4)
    marks = json.loads((tmp_path / "out/metrics.json").read_text())["out_of_fold"]
    assert marks == {"balanced_accuracy": None, "recall": {}, "groups": {}, "patches": 0}
    assert load_critic(tmp_path / "out/checkpoint").folds == {}


def one_track(label: int, spec: DataSpec) -> CrossFitted:
    return CrossFitted([always(label, spec)], {}, spec, "")


def test_balanced_accuracy_counts_classes_not_patches(manifest: Manifest, spec: DataSpec) -> None:
    held_out = Patches(manifest, spec, "val")
    assert judged(one_track(1, spec), held_out) == {
        "balanced_accuracy": pytest.approx(1 / 3),
        "recall": {"good": 0.0, "pit": 1.0, "scratch": 0.0},
        "validation_patches": 7,
    }


def test_a_class_nobody_held_out_has_no_recall(manifest: Manifest, spec: DataSpec) -> None:
    more = replace(spec, classes=[*spec.classes, "stain"])
    marks = judged(one_track(3, more), Patches(manifest, more, "val"))
    assert marks["recall"] == {"good": 0.0, "pit": 0.0, "scratch": 0.0}
    assert marks["balanced_accuracy"] == 0


def test_out_of_fold_counts_groups_not_patches(manifest: Manifest, spec: DataSpec) -> None:
    """`often` has 15 of the 21 pits, and the member without it takes them for scratches."""
    folds = {"often": 1, "once": 0, "twice": 0, "lone": 0}
    members = [always(1, spec), always(2, spec)]
    patches, shown = Patches(manifest, spec, "train"), training_patches(manifest)
    assert out_of_fold(CrossFitted(members, folds, spec, ""), patches, shown) == {
        "balanced_accuracy": pytest.approx((2 / 3 + 1 / 2) / 2),
        "recall": {"pit": pytest.approx(2 / 3), "scratch": pytest.approx(1 / 2)},
        "groups": {"pit": 3, "scratch": 2},
        "patches": 24,
    }


def test_training_patches_are_in_the_order_of_the_pictures(manifest: Manifest, spec: DataSpec) -> None:
    shown = training_patches(manifest)
    assert shown["label"].map(spec.number).to_list() == Patches(manifest, spec, "train").labels
    assert set(shown["group"]) == {"often", "once", "twice", "lone", "clean"}
