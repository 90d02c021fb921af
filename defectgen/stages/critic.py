"""critic: a small classifier of real patches, from patches to a checkpoint folder and its figures on held-out ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse.typing import PositiveFloat, PositiveInt
from torchmetrics.functional.classification import multiclass_recall

from defectgen import tracking
from defectgen.imaging.files import write_atomic
from defectgen.learn.callbacks import ExponentialAverage
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import Critic, CriticExamples, CriticModule, HeldOut, save_critic
from defectgen.learn.data import PatchData, Patches
from defectgen.learn.fit import fit
from defectgen.manifest import Manifest
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec

METRICS = "metrics.json"
VALIDATIONS = 6  # the weights of the best of them are kept


def critic(
    out: Path,
    patch: Path,
    seed: int,
    *,
    steps: PositiveInt = 600,
    batch: PositiveInt = 32,
    learning_rate: PositiveFloat = 2e-3,
) -> str:
    """Train the critic; a killed training goes on from its last checkpoint.

    Args:
        out: folder of the checkpoint, the curves and metrics.json.
        patch: folder of the training patches.
        seed: of the first weights and of every training example.
        steps: optimiser steps.
        batch: patches in a step.
        learning_rate: the highest, after warm-up.
    """
    spec, manifest = DataSpec.load(patch), Manifest.load(patch)
    counts = manifest.instances["label"].value_counts().to_dict()
    tracking.log_data_set(patch.name, patch, manifest.digest(), "train", counts)
    patches, held_out = Patches(manifest, spec, "train"), Patches(manifest, spec, "val")
    torch.manual_seed(seed % 2**63)
    network = Classifier(spec)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    module = CriticModule(network, learning_rate=learning_rate, steps=steps)
    examples, validation = CriticExamples(patches, spec, steps * batch, seed), HeldOut(held_out)
    data = PatchData(examples, validation, batch)
    every = max(1, steps // VALIDATIONS)
    fit(module, data, out, every, "32-true", [ExponentialAverage(0.99)])
    recipe = f"{steps} steps of {batch} real patches, seed {seed}"
    trained = save_critic(out / CHECKPOINT, network, spec, model_card(spec, network, recipe))
    metrics = judged(trained, held_out)
    write_atomic(out / METRICS, json.dumps(metrics, indent=2).encode())
    figures = {f"recall/{label}": recall for label, recall in metrics["recall"].items()}
    if held_out.labels:
        tracking.log_metrics(figures | {"balanced_accuracy": metrics["balanced_accuracy"]})
        print(f"  balanced accuracy {metrics['balanced_accuracy']:.2f} on {len(held_out.labels)} held-out patches")
    return trained.digest


def judged(critic: Critic, held_out: Patches) -> dict[str, Any]:
    """Recall of each class that the held-out patches show, and their mean, the balanced accuracy (None without any).

    The weights were chosen by the loss on the same patches, so both are a little too good.
    """
    if not held_out.labels:
        return {"balanced_accuracy": None, "recall": {}, "validation_patches": 0}
    said = torch.from_numpy(critic.predict(np.stack(held_out.pictures)))
    labels = torch.tensor(held_out.labels)
    each = multiclass_recall(said, labels, num_classes=len(critic.spec.classes), average=None)
    shown = labels.unique()
    return {
        "balanced_accuracy": float(each[shown].mean()),
        "recall": {critic.spec.classes[number]: float(each[number]) for number in shown},
        "validation_patches": len(labels),
    }


def model_card(spec: DataSpec, network: Classifier, recipe: str) -> str:
    """What a person should know before using the weights, as Markdown."""
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    return f"""# Critic

Tells the class of a {spec.size} px patch from its picture alone.

- classes: {", ".join(spec.classes)}
- channels: {spec.channels}
- network: {type(network).__name__}, {parameters:.2f} M parameters (averaged weights)
- training: {recipe}
- made with defectgen from the user's own pictures; no third-party weights. For that product only.
"""
