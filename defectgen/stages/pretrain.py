"""pretrain: teach an inpainter by drawings alone; every product's own training then starts from it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from defectgen import lock, outputs
from defectgen.diffusion.denoise import EDM, Denoiser, EDMWeighting
from defectgen.diffusion.noise import Karras
from defectgen.drawing.families import TAUGHT
from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import to_float, write_image
from defectgen.imaging.region import grow
from defectgen.imaging.sheet import Rgb, outlined, sheet
from defectgen.learn.callbacks import ExponentialAverage, SampleSheet, read_curves
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.data import PatchData
from defectgen.learn.drawn import CLASSES, DrawnExamples, HeldDrawings
from defectgen.learn.fit import fit
from defectgen.learn.module import DiffusionModule
from defectgen.learn.precision import fastest_precision
from defectgen.learn.preview import COLUMNS, Case, preview
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.speed.machine import describe_machine

SIZE = 64
SIGMA_DATA = 0.40  # standard deviation of 1,500 drawings' pixels, in units of [-1, 1]
GOOD_SHARE, LABEL_DROPOUT, EMA_DECAY, WARMUP = 0.25, 0.1, 0.9995, 500
HELD = 200  # drawings that validation looks at
SHOWN, COLUMNS_OF_LESSONS = 200, 20  # lessons on the sheet, and pictures in a row of it


def pretrain(
    *,
    out: Path = Path("data/prior"),
    steps: PositiveInt = 7000,
    batch: PositiveInt = 16,
    learning_rate: PositiveFloat = 1e-3,
    validate_every: PositiveInt = 1000,
    workers: NonNegativeInt = 0,
    seed: int = 0,
) -> int:
    """Train the prior of the 64 px inpainter; killed and started again it goes on.

    Args:
        out: folder of the checkpoint, the curves, the sample sheets and lessons.png.
        steps: optimiser steps.
        batch: drawings in a step.
        learning_rate: the highest, after warm-up.
        validate_every: steps between validations, sample sheets and checkpoints.
        workers: processes that draw; on two cores 0 is fastest (40 patches a second, with 1 it is 37).
        seed: of the first weights and every drawing.
    """
    with lock.writing(out.parent, out, "defectgen pretrain"):
        _teach(out, steps, batch, learning_rate, validate_every, workers, seed)
    print(f"pretrain: {out / CHECKPOINT}\nnext: set train.inpaint.init_from: {out / CHECKPOINT} in a product's YAML")
    return 0


def _teach(
    out: Path, steps: int, batch: int, learning_rate: float, validate_every: int, workers: int, seed: int
) -> None:
    settings = {"steps": steps, "batch": batch, "learning_rate": learning_rate, "seed": seed}
    if note := outputs.begin(out, {"settings": settings, "run": {"stage": "pretrain", "version": 1}}):
        print(f"pretrain: {note}", flush=True)
    spec = DataSpec(3, CLASSES, SIGMA_DATA, SIZE)
    teacher = Teacher(SIZE, seed)
    write_image(out / "lessons.png", lessons_sheet(teacher))
    print(f"pretrain: look at {out}/lessons.png, later at {out}/samples", flush=True)
    torch.manual_seed(seed % 2**63)
    schedule, precision = Karras(), fastest_precision()
    denoiser = Denoiser(UNet(spec), EDM(), SIGMA_DATA)
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    module = DiffusionModule(
        denoiser,
        schedule,
        EDMWeighting(),
        classes=len(CLASSES),
        learning_rate=learning_rate,
        warmup=WARMUP,
        steps=steps,
    )
    examples = DrawnExamples(spec, steps * batch, GOOD_SHARE, LABEL_DROPOUT, seed)
    data = PatchData(examples, HeldDrawings(spec, HELD, seed), batch, workers)
    sheets = SampleSheet(out / "samples", partial(preview, rows=cases_of(teacher, spec)))
    watch = outputs.Stopwatch(out)
    fit(module, data, out, validate_every, precision, [sheets, ExponentialAverage(EMA_DECAY)])
    curve = read_curves(out / "curves.jsonl")["val/loss"]
    # Which weights are kept is chosen at the validations, but more of them are no reason to start over.
    card = model_card(denoiser, settings | {"validate_every": validate_every}, watch.seconds(), curve)
    save_checkpoint(out / CHECKPOINT, denoiser.bfloat16(), schedule, spec, precision, card)


def lessons_sheet(teacher: Teacher) -> Rgb:
    """The first lessons, in pairs: with the defect, its mask outlined, and without."""
    lessons = [teacher(index) for index in range(SHOWN)]
    pictures = [picture for one in lessons for picture in (one.picture, outlined(one.clean, one.mask))]
    return sheet(
        [pictures[start : start + COLUMNS_OF_LESSONS] for start in range(0, len(pictures), COLUMNS_OF_LESSONS)]
    )


def cases_of(teacher: Teacher, spec: DataSpec) -> dict[str, list[Case]]:
    """Defects of every family to draw: the shapes and grounds of the first lessons of each that are in colour.

    The sheet's noise is that of a camera with colour; on a grey ground the network never saw such a one.
    """
    cases: dict[str, list[Case]] = {family: [] for family in TAUGHT}
    index = 0
    while any(len(row) < COLUMNS for row in cases.values()):
        lesson = teacher(index)
        row = cases[lesson.description.partition(",")[0]]
        if len(row) < COLUMNS and not lesson.grey:
            number = spec.number(lesson.description)
            row.append(Case(number, to_float(lesson.clean), grow(lesson.mask, 2.0)))
        index += 1
    return cases


def model_card(denoiser: Denoiser, settings: dict[str, float], seconds: float, curve: dict[int, float]) -> str:
    """What a person should know before starting from the weights, and how to make them again, as Markdown."""
    parameters = sum(parameter.numel() for parameter in denoiser.parameters()) / 1e6
    shown = _spread(sorted(curve), 20)
    rows = "\n".join(f"| {step} | {curve[step]:.4f} |" for step in shown)
    command = " ".join(["defectgen pretrain", *(f"--{name} {value}" for name, value in settings.items())])
    return f"""# Prior of the 64 px inpainter

Paints a defect of a described kind into a masked region of a 64 px patch. It has only ever seen drawings: no
photograph, no third-party weights, no download. Every product's inpainter starts from it.

- network: {type(denoiser.network).__name__}, {parameters:.2f} M parameters (averaged weights, stored in bfloat16)
- colour; a camera without colour is three equal channels with one noise
- told of a defect: its family ({", ".join(TAUGHT)}), size, contrast and sharpness, as measured
- training: {", ".join(f"{name} {value}" for name, value in settings.items())}; {seconds / 3600:.1f} hours on
  {describe_machine()["processor"]}
- made again by `{command}`

| step | masked loss on held-out drawings |
|--:|--:|
{rows}
"""


def _spread(steps: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, evenly spread, the last one too."""
    shown = min(count, len(steps))
    return [steps[round(place * (len(steps) - 1) / max(1, shown - 1))] for place in range(shown)]
