"""train: the 64 px inpainter, from patches to a checkpoint folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveFloat, PositiveInt

from defectgen.diffusion.denoise import EDM, Backbone, EDMWeighting, Parametrization, Weighting
from defectgen.diffusion.noise import Karras, Schedule
from defectgen.learn.begin import begun, opened
from defectgen.learn.callbacks import ExponentialAverage, SampleSheet, read_curves
from defectgen.learn.card import model_card
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.data import PatchData, SizedExamples, TrainingExamples, ValidationExamples
from defectgen.learn.drawn import DrawnExamples, Mixed
from defectgen.learn.fit import TIMED, fit, steps_for
from defectgen.learn.module import DiffusionModule
from defectgen.learn.new_class import Preserving, earlier_inpainter, entries_to_learn, united
from defectgen.learn.patches import Patches
from defectgen.learn.precision import Precision, fastest_precision
from defectgen.learn.preserve import preserved
from defectgen.learn.preview import cases_of, preview
from defectgen.learn.task import Filling, Inpainting
from defectgen.manifest import make_seed
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

VALIDATION_PATCHES = 12  # per class


def train(
    out: Path,
    patch: Path,
    seed: int,
    *,
    task: Filling = Inpainting(),  # noqa: B008 - stateless
    network: Callable[[DataSpec], Backbone] = UNet,
    schedule: Schedule = Karras(),  # noqa: B008 - stateless
    parametrization: Parametrization = EDM(),  # noqa: B008 - stateless
    weighting: Weighting = EDMWeighting(),  # noqa: B008 - stateless
    init_from: Literal["prior", "none"] | Path = "prior",
    preserve: ClosedUnitInterval = 0.0,
    drawn_share: ClosedUnitInterval = 0.0,
    steps: PositiveInt = 3000,
    minutes: PositiveFloat | None = None,
    batch: PositiveInt = 16,
    learning_rate: PositiveFloat = 4e-4,
    warmup: NonNegativeInt = 100,
    ema_decay: float = 0.999,
    good_share: ClosedUnitInterval = 0.35,
    label_dropout: ClosedUnitInterval = 0.1,
    validate_every: PositiveInt = 250,
    workers: NonNegativeInt = 0,
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto",
) -> str:
    """Train the inpainter; a killed training goes on from its last checkpoint.

    Args:
        out: folder of the checkpoint, the curves and the sample sheets.
        patch: folder of the training patches.
        seed: of the first weights and of every training example.
        task: what it is given of a patch: the surroundings of the region (Inpainting) or nothing (Whole, for RePaint).
        network: the network, made for the data's DataSpec.
        schedule: noise levels of training and sampling.
        parametrization: what the network predicts.
        weighting: weight of the error at each noise level.
        init_from: first weights: the prior that comes with defectgen, none at all, or the folder of a checkpoint.
        preserve: share of the examples that hold it to what the inpainter of init_from, one of your own, says of its
            own classes: it keeps them while it learns new ones, which need only a few pictures; 0.5 is a good share.
            What the new classes are looked up by then learns at 7.5 times learning_rate, what the earlier ones are not
            at all, and all else at a twentieth of it.
        drawn_share: share of the other examples that are drawings, as the prior learned from, against forgetting and
            copying.
        steps: optimiser steps.
        minutes: instead of steps, a time; resolved once into steps by timing a few of them on this machine.
        batch: patches in a step.
        learning_rate: the highest, after warm-up.
        warmup: steps in which the learning rate rises.
        ema_decay: of the averaged weights.
        good_share: share of clean patches, repainted as good.
        label_dropout: share of examples of which nothing is told, for classifier-free guidance.
        validate_every: steps between validations, sample sheets and checkpoints.
        workers: processes that prepare examples; 0 is right on a CPU.
        precision: arithmetic of the network; auto takes the faster on this machine.
    """
    spec, manifest = opened(patch)
    resolved: Precision = fastest_precision() if precision == "auto" else precision
    earlier = earlier_inpainter(init_from, task, schedule, "train.inpaint") if preserve else None
    if earlier:
        spec = united(earlier.spec, spec)
    denoiser, spec = begun(network, parametrization, spec, init_from, "train.inpaint", seed)
    patches, held_out = Patches(manifest, spec, "train"), Patches(manifest, spec, "val")
    kept: Patches | None = None
    learner: Callable[..., DiffusionModule] = DiffusionModule
    if earlier:
        learner = partial(Preserving, entries=entries_to_learn(denoiser, earlier, spec, "train.inpaint"))
        kept = preserved(out / "preserved", denoiser, earlier, patches, spec, resolved, seed)

    def prepare(steps: int) -> tuple[DiffusionModule, PatchData]:
        module = learner(
            denoiser,
            schedule,
            weighting,
            classes=len(spec.classes),
            learning_rate=learning_rate,
            warmup=warmup,
            steps=steps,
        )
        examples: SizedExamples = TrainingExamples(patches, spec, steps * batch, good_share, label_dropout, seed, task)
        if drawn_share:
            drawn = DrawnExamples(spec, steps * batch, good_share, 0.0, seed, task)
            examples = Mixed(examples, drawn, drawn_share, seed)
        if kept:
            length, own = steps * batch, make_seed(seed, "preserved")
            again = TrainingExamples(kept, spec, length, good_share, label_dropout, own, task)
            examples = Mixed(examples, again, preserve, make_seed(seed, "preserve"))
        validation = ValidationExamples(held_out, spec, VALIDATION_PATCHES, seed, task)
        return module, PatchData(examples, validation, batch, workers)

    if minutes is not None:
        steps = steps_for(minutes, *prepare(TIMED + 1), resolved, out / "steps.json")
    module, data = prepare(steps)
    rows = (cases_of(kept, spec, seed) if kept else {}) | cases_of(patches, spec, seed)
    sheets = SampleSheet(out / "samples", partial(preview, rows=rows, task=task))
    fit(module, data, out, validate_every, resolved, [sheets, ExponentialAverage(ema_decay)])
    curve = read_curves(out / "curves.jsonl").get("val/loss", {})
    recipe = f"{steps} steps of {batch} patches, {resolved}, seed {seed}, from {init_from}, {type(task).__name__}"
    if earlier:
        recipe += f", {preserve:g} of the patches drawn by it to preserve {', '.join(earlier.spec.classes[1:])}"
    if drawn_share:
        recipe += f", {drawn_share:g} of the patches drawn"
    does = f"Paints a defect of a given class into a masked region of a {spec.size} px patch."
    card = model_card("Defect inpainter", does, spec, denoiser, recipe, curve)
    print(f"  {steps} steps; look at {out}/samples" if curve else f"  {steps} steps; no held-out defect to show")
    return save_checkpoint(out / CHECKPOINT, denoiser, schedule, spec, resolved, card, task, label_dropout)
