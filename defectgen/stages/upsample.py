"""train.upsample: the network that gives large defects their detail, from large regions to a checkpoint folder."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveFloat, PositiveInt

from defectgen.diffusion.denoise import EDM, Backbone, EDMWeighting, Parametrization, Weighting
from defectgen.diffusion.noise import Karras, Schedule
from defectgen.errors import UserError
from defectgen.learn.begin import begun, deviation
from defectgen.learn.callbacks import ExponentialAverage, SampleSheet, read_curves
from defectgen.learn.card import model_card
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.crops import HeldCrops, UpsamplingExamples, upsampling_of
from defectgen.learn.data import PatchData
from defectgen.learn.drawn import Mixed
from defectgen.learn.fit import fit
from defectgen.learn.large import NATIVE, DrawnPatches, LargePatches
from defectgen.learn.module import DiffusionModule
from defectgen.learn.precision import Precision, fastest_precision
from defectgen.learn.preview import enlargements
from defectgen.learn.upsample import DOES
from defectgen.manifest import Manifest, make_seed
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.inherit import Inheriting
from defectgen.source import Source
from defectgen.spec import DataSpec

CROP = 128  # side of a training example in pixels
VALIDATION_REGIONS, SHOWN = 6, 2  # per class


def train_upsampler(
    out: Path,
    ingest: Path,
    patch: Path,
    seed: int,
    *,
    network: Callable[[DataSpec], Backbone] = EfficientUNet,
    schedule: Schedule = Karras(highest=20.0),  # noqa: B008 - stateless
    parametrization: Parametrization = EDM(),  # noqa: B008 - stateless
    weighting: Weighting = EDMWeighting(),  # noqa: B008 - stateless
    init_from: Literal["prior", "none"] | Path = "prior",
    drawn_share: ClosedUnitInterval = 0.3,
    steps: PositiveInt = 600,
    batch: PositiveInt = 8,
    learning_rate: PositiveFloat = 4e-4,
    warmup: NonNegativeInt = 100,
    ema_decay: float = 0.999,
    label_dropout: ClosedUnitInterval = 0.1,
    validate_every: PositiveInt = 150,
    workers: NonNegativeInt = 0,
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto",
) -> str:
    """Train the upsampler, 64 to 256 px; a killed training goes on from its last checkpoint.

    A product without a defect of 128 native pixels a side has nothing to learn it from and needs none.

    Args:
        out: folder of the checkpoint, the curves and the sample sheets.
        ingest: folder of the real pictures.
        patch: folder of the training patches; the large ones are read anew at full resolution.
        seed: of the first weights and of every training example.
        network: the network, made for the data's DataSpec.
        schedule: noise levels of training and sampling.
        parametrization: what the network predicts.
        weighting: weight of the error at each noise level.
        init_from: first weights: the prior that comes with defectgen, none at all, or the folder of a checkpoint.
        drawn_share: share of the examples that are drawings.
        steps: optimiser steps.
        batch: crops in a step.
        learning_rate: the highest, after warm-up.
        warmup: steps in which the learning rate rises.
        ema_decay: of the averaged weights.
        label_dropout: share of examples without their label, which is how drawings are shown.
        validate_every: steps between validations, sample sheets and checkpoints.
        workers: processes that prepare examples; 0 is right on a CPU.
        precision: arithmetic of the network; auto takes the faster on this machine.
    """
    spec = replace(DataSpec.load(patch), size=CROP, upsampled=True)
    source, manifest = Source(Manifest.load(ingest)), Manifest.load(patch)
    patches = LargePatches(source, manifest, spec, "train", clean=True)
    if not patches.defects:
        print(f"  no training defect lies in a region of {NATIVE} px or more: nothing to train")
        return ""
    resolved: Precision = fastest_precision() if precision == "auto" else precision
    examples = partial(
        UpsamplingExamples, crop=CROP, length=steps * batch, drop=label_dropout, dropped=len(spec.classes)
    )
    own = examples(patches, flips=spec.flips, seed=seed)
    drawn = examples(DrawnPatches(spec, CROP, len(spec.classes), seed), flips=[], seed=make_seed(seed, "drawn"))
    spec = replace(spec, sigma_data=deviation(own))
    denoiser, spec = begun(network, parametrization, spec, init_from, "train.upsample", seed)
    if isinstance(denoiser.network, Inheriting) and denoiser.network.told.reads:
        raise UserError("train.upsample.network: an upsampler is told the class alone; give it the term Label")
    module = DiffusionModule(
        denoiser,
        schedule,
        weighting,
        classes=len(spec.classes),
        learning_rate=learning_rate,
        warmup=warmup,
        steps=steps,
        told=upsampling_of,
    )
    held_out = LargePatches(source, manifest, spec, "val", clean=False)
    validation = HeldCrops(held_out.spread(VALIDATION_REGIONS), CROP, seed)
    data = PatchData(Mixed(own, drawn, drawn_share, seed), validation, batch, workers)
    sheets = SampleSheet(out / "samples", partial(enlargements, patches=held_out.spread(SHOWN)))
    fit(module, data, out, validate_every, resolved, [sheets, ExponentialAverage(ema_decay)])
    curve = read_curves(out / "curves.jsonl").get("val/loss", {})
    recipe = f"{steps} steps of {batch} crops, {drawn_share:g} of them drawn, {resolved}, seed {seed}, from {init_from}"
    card = model_card("Defect upsampler", DOES, spec, denoiser, recipe, curve)
    print(f"  {steps} steps; look at {out}/samples" if curve else f"  {steps} steps; no large held-out defect to show")
    return save_checkpoint(out / CHECKPOINT, denoiser, schedule, spec, resolved, card)
