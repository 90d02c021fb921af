"""pretrain: teach a network by drawings alone; every product's own training then starts from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from defectgen import lock, outputs
from defectgen.diffusion.denoise import EDM, Denoiser, EDMWeighting
from defectgen.drawing.families import TAUGHT
from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import write_image
from defectgen.imaging.sheet import Rgb, outlined, sheet
from defectgen.learn.callbacks import ExponentialAverage, SampleSheet, read_curves
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.data import PatchData
from defectgen.learn.fit import fit
from defectgen.learn.module import DiffusionModule
from defectgen.learn.precision import fastest_precision
from defectgen.learn.taught import TASKS, Lessons
from defectgen.speed.machine import describe_machine

EMA_DECAY, WARMUP = 0.9995, 500  # the latter in a tenth of the steps, where there are fewer
SHOWN, COLUMNS_OF_LESSONS = 200, 20  # lessons on the sheet, and pictures in a row of it


def pretrain(
    *,
    task: Literal["inpaint64", "upsample256"] = "inpaint64",
    out: Path = Path("data/prior"),
    steps: PositiveInt = 7000,
    batch: PositiveInt = 16,
    learning_rate: PositiveFloat = 1e-3,
    validate_every: PositiveInt = 1000,
    workers: NonNegativeInt = 0,
    seed: int = 0,
) -> int:
    """Train a prior; killed and started again it goes on.

    Args:
        task: which: that of the 64 px inpainter or that of the upsampler to 256 px.
        out: folder of the checkpoint, the curves, the sample sheets and lessons.png.
        steps: optimiser steps.
        batch: drawings in a step.
        learning_rate: the highest, after warm-up.
        validate_every: steps between validations, sample sheets and checkpoints.
        workers: processes that draw; on two cores 0 is fastest (40 patches a second, with 1 it is 37).
        seed: of the first weights and every drawing.
    """
    with lock.writing(out.parent, out, "defectgen pretrain"):
        _teach(task, out, steps, batch, learning_rate, validate_every, workers, seed)
    folder = out / CHECKPOINT
    print(f"pretrain: {folder}\nnext: set {TASKS[task].product_key}: {folder} in a product's YAML")
    return 0


def _teach(
    task: str, out: Path, steps: int, batch: int, learning_rate: float, validate_every: int, workers: int, seed: int
) -> None:
    settings: dict[str, str | float] = {
        "task": task,
        "steps": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    if note := outputs.begin(out, {"settings": settings, "run": {"stage": "pretrain", "version": 1}}):
        print(f"pretrain: {note}", flush=True)
    lessons = TASKS[task](seed)
    write_image(out / "lessons.png", lessons_sheet(Teacher(lessons.spec.size, seed)))
    print(f"pretrain: look at {out}/lessons.png, later at {out}/samples", flush=True)
    torch.manual_seed(seed % 2**63)
    precision = fastest_precision()
    denoiser = Denoiser(lessons.network(lessons.spec), EDM(), lessons.spec.sigma_data)
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    module = DiffusionModule(
        denoiser,
        lessons.schedule,
        EDMWeighting(),
        classes=len(lessons.spec.classes),
        learning_rate=learning_rate,
        warmup=min(WARMUP, steps // 10),
        steps=steps,
        told=lessons.told,
    )
    data = PatchData(lessons.examples(steps * batch), lessons.held(), batch, workers)
    sheets = SampleSheet(out / "samples", lessons.sheet)
    watch = outputs.Stopwatch(out)
    fit(module, data, out, validate_every, precision, [sheets, ExponentialAverage(EMA_DECAY)])
    curve = read_curves(out / "curves.jsonl")["val/loss"]
    # Which weights are kept is chosen at the validations, but more of them are no reason to start over.
    card = model_card(lessons, denoiser, settings | {"validate_every": validate_every}, watch.seconds(), curve)
    save_checkpoint(out / CHECKPOINT, denoiser.bfloat16(), lessons.schedule, lessons.spec, precision, card)


def lessons_sheet(teacher: Teacher) -> Rgb:
    """The first lessons, in pairs: with the defect, its mask outlined, and without."""
    lessons = [teacher(index) for index in range(SHOWN)]
    pictures = [picture for one in lessons for picture in (one.picture, outlined(one.clean, one.mask))]
    return sheet(
        [pictures[start : start + COLUMNS_OF_LESSONS] for start in range(0, len(pictures), COLUMNS_OF_LESSONS)]
    )


def model_card(
    lessons: Lessons, denoiser: Denoiser, settings: dict[str, str | float], seconds: float, curve: dict[int, float]
) -> str:
    """What a person should know before starting from the weights, and how to make them again, as Markdown."""
    parameters = sum(parameter.numel() for parameter in denoiser.parameters()) / 1e6
    rows = "\n".join(f"| {step} | {curve[step]:.4f} |" for step in _spread(sorted(curve), 20))
    command = " ".join(["defectgen pretrain", *(f"--{name} {value}" for name, value in settings.items())])
    return f"""# Prior: {settings["task"]}

{lessons.does} It has only ever seen drawings: no photograph, no third-party
weights, no download. Every product's own starts from it (`{lessons.product_key}`).

- network: {type(denoiser.network).__name__}, {parameters:.2f} M parameters (averaged weights, stored in bfloat16)
- colour; a camera without colour is three equal channels with one noise
- taught: {", ".join(TAUGHT)}
- told of a defect: {lessons.told_of}
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
