"""critic: small classifiers of real patches, from patches to a checkpoint folder and its figures on unseen ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jsonargparse.typing import PositiveFloat, PositiveInt
from torchmetrics.functional.classification import multiclass_recall

from defectgen import tracking
from defectgen.imaging.files import write_atomic
from defectgen.learn.callbacks import ExponentialAverage
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import CrossFitted, load_critic, save_critic
from defectgen.learn.critic_training import CriticExamples, CriticModule, HeldOut, Turns
from defectgen.learn.data import PatchData
from defectgen.learn.fit import fit
from defectgen.learn.folds import FOLDS, divide
from defectgen.learn.patches import Patches
from defectgen.manifest import GOOD, Manifest, make_seed
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec

METRICS = "metrics.json"
VALIDATIONS = 3  # the weights of the best of them are kept
AVERAGED = 0.99  # decay of the averaged weights, at each step of a member


def critic(
    out: Path,
    patch: Path,
    seed: int,
    *,
    steps: PositiveInt = 400,
    batch: PositiveInt = 32,
    learning_rate: PositiveFloat = 2e-3,
) -> str:
    """Train the critic's members, which take turns; a killed training goes on from its last checkpoint.

    Args:
        out: folder of the checkpoint, the curves and metrics.json.
        patch: folder of the training patches.
        seed: of the first weights and of every training example.
        steps: optimiser steps of each member.
        batch: patches in a step.
        learning_rate: the highest, after warm-up.
    """
    spec, manifest = DataSpec.load(patch), Manifest.load(patch)
    counts = manifest.instances["label"].value_counts().to_dict()
    tracking.log_data_set(patch.name, patch, manifest.digest(), "train", counts)
    shown = training_patches(manifest)
    folds = divide(shown.groupby("label")["group"].unique().to_dict())
    print(f"  {FOLDS} members in turn, each without its fold of the {len(folds)} training groups in folds")
    streams, held_out = examples(manifest, spec, folds, steps * batch, seed), Patches(manifest, spec, "val")
    torch.manual_seed(seed % 2**63)
    members = [Classifier(spec) for _ in range(FOLDS)]
    module = CriticModule(members, learning_rate=learning_rate, steps=steps)
    module.members.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    data = PatchData(Turns(streams, batch), HeldOut(held_out), batch)
    every = max(1, FOLDS * steps // VALIDATIONS)
    fit(module, data, out, every, "32-true", [ExponentialAverage(AVERAGED ** (1 / FOLDS))])
    recipe = f"{steps} steps of {batch} real patches for each member, seed {seed}"
    save_critic(out / CHECKPOINT, members, folds, spec, model_card(spec, members, folds, recipe))
    trained = load_critic(out / CHECKPOINT)
    metrics = judged(trained, held_out) | {"out_of_fold": out_of_fold(trained, Patches(manifest, spec, "train"), shown)}
    write_atomic(out / METRICS, json.dumps(metrics, indent=2).encode())
    _record(metrics)
    return trained.digest


def training_patches(manifest: Manifest) -> pd.DataFrame:
    """`group` and `label` of the training patches, in the order of `Patches`."""
    images = manifest.images[manifest.images["split"] == "train"].sort_values("image_id")
    labels = manifest.instances.set_index("image_id")["label"]
    return pd.DataFrame({"group": images["group"], "label": images["image_id"].map(labels).fillna(GOOD)})


def examples(
    manifest: Manifest, spec: DataSpec, folds: Mapping[str, int], length: int, seed: int
) -> list[CriticExamples]:
    """Those of each member: of all training groups but its fold's."""
    fold_of = manifest.images["group"].map(folds)
    streams = []
    for fold in range(FOLDS):
        patches = Patches(replace(manifest, images=manifest.images[fold_of != fold]), spec, "train")
        streams.append(CriticExamples(patches, spec, length, make_seed(seed, "member", fold)))
    return streams


def judged(critic: CrossFitted, held_out: Patches) -> dict[str, Any]:
    """Recall of each class that the held-out patches show, and their mean, the balanced accuracy (None without any).

    By the mean of all members. Their weights were chosen by the loss on the same patches, so both are a little too
    good.
    """
    if not held_out.labels:
        return {"balanced_accuracy": None, "recall": {}, "validation_patches": 0}
    said = torch.from_numpy(critic.predict(np.stack(held_out.pictures)))
    labels = torch.tensor(held_out.labels)
    each = multiclass_recall(said, labels, num_classes=len(critic.spec.classes), average=None)
    seen = labels.unique()
    return {
        "balanced_accuracy": float(each[seen].mean()),
        "recall": {critic.spec.classes[number]: float(each[number]) for number in seen},
        "validation_patches": len(labels),
    }


def out_of_fold(critic: CrossFitted, patches: Patches, shown: pd.DataFrame) -> dict[str, Any]:
    """The same of the training patches in folds, each judged by the member that has not seen its group.

    A class's recall is the mean over its groups, however many patches each has; `groups` is how many.
    shown: `training_patches`, in the order of the patches.
    """
    known = np.flatnonzero(shown["group"].isin(critic.folds.keys()))
    if not len(known):
        return {"balanced_accuracy": None, "recall": {}, "groups": {}, "patches": 0}
    part = shown.iloc[known]
    said = critic.predict(np.stack([patches.pictures[number] for number in known]), part["group"].to_list())
    right = said.argmax(axis=1) == part["label"].map(critic.spec.number)
    of_group = right.groupby([part["label"], part["group"]]).mean()
    recall = of_group.groupby("label").mean()
    return {
        "balanced_accuracy": float(recall.mean()),
        "recall": recall.to_dict(),
        "groups": of_group.groupby("label").size().to_dict(),
        "patches": len(known),
    }


def _record(metrics: dict[str, Any]) -> None:
    """Tell the tracking and the console."""
    unseen = metrics["out_of_fold"]
    if unseen["patches"]:
        accuracy, count = unseen["balanced_accuracy"], unseen["patches"]
        tracking.log_metrics({"out_of_fold/balanced_accuracy": accuracy})
        print(f"  balanced accuracy {accuracy:.2f} on {count} training patches by the member that has not seen them")
    if metrics["validation_patches"]:
        accuracy, count = metrics["balanced_accuracy"], metrics["validation_patches"]
        figures = {f"recall/{label}": recall for label, recall in metrics["recall"].items()}
        tracking.log_metrics(figures | {"balanced_accuracy": accuracy})
        print(f"  balanced accuracy {accuracy:.2f} on {count} held-out patches")


def model_card(spec: DataSpec, members: Sequence[Classifier], folds: Mapping[str, int], recipe: str) -> str:
    """What a person should know before using the weights, as Markdown."""
    parameters = sum(parameter.numel() for parameter in members[0].parameters()) / 1e6
    return f"""# Critic

Tells the class of a {spec.size} px patch from its picture alone.

- classes: {", ".join(spec.classes)}
- channels: {spec.channels}
- network: {len(members)} of {type(members[0]).__name__}, {parameters:.2f} M parameters each (averaged weights)
- cross-fitted: {len(folds)} training groups are in {len(members)} folds, and member i has not seen those of fold i
- training: {recipe}
- made with defectgen from the user's own pictures; no third-party weights. For that product only.
"""
