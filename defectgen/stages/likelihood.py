"""train.likelihood: the network that tells classes of noisy patches, for classifier guidance."""

from pathlib import Path

import torch
from jsonargparse.typing import PositiveFloat, PositiveInt

from defectgen.diffusion.likelihood import LearnedLikelihood
from defectgen.diffusion.noise import Karras, Schedule
from defectgen.learn.begin import opened
from defectgen.learn.callbacks import ExponentialAverage, read_curves
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.data import PatchData, TrainingExamples, ValidationExamples
from defectgen.learn.fit import fit
from defectgen.learn.likelihood import LikelihoodModule, save_likelihood
from defectgen.learn.patches import Patches
from defectgen.nn.noisy import NoisyClassifier
from defectgen.spec import DataSpec

VALIDATION_PATCHES = 12  # per class
VALIDATIONS = 8  # the weights of the best of them are kept
WARMUP = 100  # steps in which the learning rate rises


def train_likelihood(
    out: Path,
    patch: Path,
    seed: int,
    *,
    schedule: Schedule = Karras(),  # noqa: B008 - stateless
    steps: PositiveInt = 1000,
    batch: PositiveInt = 16,
    learning_rate: PositiveFloat = 1e-3,
) -> str:
    """Train the likelihood that a `Classifier` among generate.guides asks; a killed training goes on.

    Args:
        out: folder of the checkpoint and the curves.
        patch: folder of the training patches.
        seed: of the first weights and of every training example.
        schedule: noise levels of training; take the inpainter's.
        steps: optimiser steps.
        batch: patches in a step.
        learning_rate: the highest, after warm-up.
    """
    spec, manifest = opened(patch)
    torch.manual_seed(seed % 2**63)
    likelihood = LearnedLikelihood(NoisyClassifier(spec), spec.sigma_data)
    likelihood.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    classes = len(spec.classes)
    module = LikelihoodModule(
        likelihood, schedule, classes=classes, learning_rate=learning_rate, warmup=WARMUP, steps=steps
    )
    # Every class, good too, equally often: the gradient must not carry how common one is.
    examples = TrainingExamples(Patches(manifest, spec, "train"), spec, steps * batch, 1 / classes, 0.0, seed)
    held_out = ValidationExamples(Patches(manifest, spec, "val"), spec, VALIDATION_PATCHES, seed)
    data = PatchData(examples, held_out, batch)
    fit(module, data, out, max(1, steps // VALIDATIONS), "32-true", [ExponentialAverage()])
    found = accuracies(out / "curves.jsonl")
    print(f"  accuracy on held-out defects: {found}")
    recipe = f"{steps} steps of {batch} patches, seed {seed}"
    return save_likelihood(out / CHECKPOINT, likelihood, schedule, spec, model_card(spec, likelihood, recipe, found))


def accuracies(curves: Path) -> str:
    """The accuracy at each noise level where the validation loss was lowest, in words."""
    figures = read_curves(curves)
    losses = figures.get("val/loss")
    if not losses:
        return "not measured, nothing to validate on"
    best, start = min(losses, key=lambda step: losses[step]), "val/accuracy_sigma_"
    levels = {name.removeprefix(start): curve[best] for name, curve in figures.items() if name.startswith(start)}
    return ", ".join(f"{levels[sigma]:.2f} at sigma {sigma}" for sigma in sorted(levels, key=float))


def model_card(spec: DataSpec, likelihood: LearnedLikelihood, recipe: str, found: str) -> str:
    """What a person should know before using the weights, as Markdown."""
    parameters = sum(parameter.numel() for parameter in likelihood.parameters()) / 1e6
    return f"""# Likelihood of defect classes

Tells the class of what is drawn into a masked region of a {spec.size} px patch, at every noise level.

- classes: {", ".join(spec.classes)}
- channels: {spec.channels}; sigma_data: {spec.sigma_data:.3f}
- network: {type(likelihood.network).__name__}, {parameters:.2f} M parameters (averaged weights)
- training: {recipe}
- accuracy on held-out defects: {found}
- made with defectgen from the user's own pictures; no third-party weights. For that product only.
"""
