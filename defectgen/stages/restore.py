"""train.restore: a network that restores patches of the product, and how near to the truth it brings held-out ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from jsonargparse.typing import PositiveFloat, PositiveInt
from numpy.typing import NDArray

from defectgen import tracking
from defectgen.diffusion.denoise import EDM, Backbone, EDMWeighting, Parametrization, Weighting
from defectgen.diffusion.noise import Karras, Schedule
from defectgen.diffusion.solve import DDPM
from defectgen.errors import UserError
from defectgen.imaging.files import write_image
from defectgen.learn.begin import begun, deviation, opened
from defectgen.learn.callbacks import ExponentialAverage, read_curves
from defectgen.learn.card import model_card
from defectgen.learn.checkpoint import CHECKPOINT, named, save_checkpoint
from defectgen.learn.data import PatchData, TrainingExamples, ValidationExamples
from defectgen.learn.fit import fit
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches
from defectgen.learn.precision import fastest_precision
from defectgen.learn.restore import Lost, figures, lost_of, restoration_sheet, restored, untold
from defectgen.learn.task import JPEGRestoration, Restoration
from defectgen.manifest import write_table
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

HELD_OUT = 128  # patches that are restored in the end
CALLS = 8  # answers to pure noise whose mean is taken
VALIDATION_PATCHES = 12  # per class
VALIDATIONS = 8  # the weights of the best of them are kept
WARMUP = 100  # steps in which the learning rate rises
GOOD_SHARE = 0.5  # of clean patches
NOTICED = 1 / 255  # half a level of 8 bits: what a guess lacks at least for there to be something to learn


def train_restorer(
    out: Path,
    patch: Path,
    seed: int,
    *,
    task: Restoration = JPEGRestoration(),  # noqa: B008 - stateless
    network: Callable[[DataSpec], Backbone] = UNet,
    schedule: Schedule = Karras(lowest=0.002, highest=50.0, log_std=2.0),  # noqa: B008 - stateless
    parametrization: Parametrization = EDM(),  # noqa: B008 - stateless
    weighting: Weighting = EDMWeighting(),  # noqa: B008 - stateless
    steps: PositiveInt = 1500,
    batch: PositiveInt = 16,
    learning_rate: PositiveFloat = 4e-4,
    sampling_steps: PositiveInt = 20,
) -> str:
    """Train a network for one restoration and restore held-out patches; a killed training goes on.

    It draws what the task's trivial guess lacks, so it starts from nothing and is at once as good as that guess.

    Args:
        out: folder of the checkpoint, the curves, restored.parquet and restored.png.
        patch: folder of the training patches.
        seed: of the first weights, of every training example and of what is lost of the held-out patches.
        task: what is lost of a patch and is to be drawn again.
        network: the network, made for the data's DataSpec.
        schedule: noise levels of training and sampling; what a guess lacks is fainter than a picture.
        parametrization: what the network predicts.
        weighting: weight of the error at each noise level.
        steps: optimiser steps.
        batch: patches in a step.
        learning_rate: the highest, after warm-up.
        sampling_steps: noise levels walked for a single sample, which is shown beside the mean of all.
    """
    spec, manifest = opened(patch)
    patches, held_out = Patches(manifest, spec, "train"), Patches(manifest, spec, "val")
    lost = lost_of(held_out, task, HELD_OUT, seed)
    precision = fastest_precision()
    examples = TrainingExamples(patches, spec, steps * batch, GOOD_SHARE, 0.0, seed, task)
    if (lacking := deviation(examples)) < NOTICED:
        raise UserError(f"train.restore.task: {named(task)}: {task.baseline} is all but the truth; take another task")
    spec = replace(spec, sigma_data=lacking)
    denoiser, spec = begun(network, parametrization, spec, "none", "train.restore", seed)
    module = DiffusionModule(
        denoiser,
        schedule,
        weighting,
        classes=len(spec.classes),
        learning_rate=learning_rate,
        warmup=WARMUP,
        steps=steps,
        told=untold,
    )
    data = PatchData(examples, ValidationExamples(held_out, spec, VALIDATION_PATCHES, seed, task), batch)
    fit(module, data, out, max(1, steps // VALIDATIONS), precision, [ExponentialAverage()])
    curve = read_curves(out / "curves.jsonl").get("val/loss", {})
    recipe = f"{steps} steps of {batch} patches, {precision}, seed {seed}"
    card = model_card("Restorer", f"Restores {spec.size} px patches: {named(task)}.", spec, denoiser, recipe, curve)
    digest = save_checkpoint(out / CHECKPOINT, denoiser, schedule, spec, precision, card, task)
    if not lost:
        print("  no held-out patch to restore")
        return digest
    at_once, walking = (
        Inpainter(denoiser.eval(), schedule.trajectory(walked), len(spec.classes), DDPM(), [], precision, task)
        for walked in (1, sampling_steps)
    )
    _show(out, lost, restored(at_once, lost, CALLS), restored(walking, lost), task.baseline)
    return digest


def _show(out: Path, lost: list[Lost], mean: NDArray[np.float32], sample: NDArray[np.float32], baseline: str) -> None:
    """Write the figures and the sheet of the restored patches and say how it went."""
    table = figures(lost, mean, sample)
    write_table(out / "restored.parquet", table)
    write_image(out / "restored.png", restoration_sheet(lost, mean, sample, baseline))
    tracking.log_picture(out / "restored.png", "restored")
    means = table.mean(numeric_only=True)
    tracking.log_metrics({f"restored/{name}": float(value) for name, value in means.items()})
    ours, single, trivial = (f"{means[name]:.1f} dB" for name in ("psnr", "psnr_sample", "psnr_trivial"))
    print(f"  restored {ours}, {baseline} {trivial} on {len(lost)} held-out patches; a single sample {single}")
    print(f"  look at {out}/restored.png")
