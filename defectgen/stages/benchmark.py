"""benchmark: how fast this machine trains and draws with the stages' defaults, and how fast it could."""

import inspect
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jsonargparse.typing import PositiveFloat

from defectgen.imaging.files import write_atomic
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.fit import ACCELERATORS
from defectgen.learn.precision import Precision, fastest_precision
from defectgen.learn.upsample import Upsampler
from defectgen.spec import DataSpec
from defectgen.speed.chart import draw_chart
from defectgen.speed.drawing import denoising, drawings, stored
from defectgen.speed.machine import describe_machine, matrix_product
from defectgen.speed.page import figures_table, summary, write_page
from defectgen.speed.recipe import Detail, Folders, Recipe
from defectgen.speed.results import Network, Results
from defectgen.speed.rival import rivals
from defectgen.speed.stopwatch import interleave
from defectgen.speed.training import training
from defectgen.stages.draw import draw
from defectgen.stages.generate import generate
from defectgen.stages.ingest import ingest
from defectgen.stages.patch import patch
from defectgen.stages.plan import plan
from defectgen.stages.train import train
from defectgen.stages.upsample import train_upsampler
from defectgen.trained import upsampler_of


def benchmark(*, out: Path = Path("data/benchmark"), seconds: PositiveFloat = 8.0) -> int:
    """Measure matrix products, training, denoising and drawing in turns, beside `diffusers` where it is installed.

    Args:
        out: folder benchmark.md and benchmark.png are written to.
        seconds: how long each figure is measured; 8 makes about six minutes on two cores.
    """
    out.mkdir(parents=True, exist_ok=True)  # not known to be impossible only after minutes
    machine = describe_machine()
    with TemporaryDirectory(prefix="defectgen-benchmark-") as folder:
        recipe = defaults()
        print("benchmark: drawing a small product to work on", flush=True)
        folders = prepare(Path(folder), recipe.drawn)
        results = measure(f"defectgen benchmark --seconds {seconds:g}", machine, recipe, folders, seconds)
    write_atomic(out / "benchmark.md", write_page(results).encode())
    write_atomic(out / "benchmark.png", draw_chart(results))
    print(summary(results), figures_table(results), *results.notes, sep="\n\n")
    print(f"\nbenchmark: {out}/benchmark.md, {out}/benchmark.png")
    return 0


def defaults() -> Recipe:
    """The settings that the stages take where nobody says otherwise."""
    stages = train, train_upsampler, plan, generate
    trained, detailed, planned, generated = (_defaults(stage) for stage in stages)
    return Recipe(
        network=trained["network"],
        schedule=trained["schedule"],
        parametrization=trained["parametrization"],
        weighting=trained["weighting"],
        batch=trained["batch"],
        learning_rate=trained["learning_rate"],
        good_share=trained["good_share"],
        label_dropout=trained["label_dropout"],
        solver=generated["solver"],
        steps=generated["steps"],
        guides=generated["guides"],
        gates=generated["gates"],
        drawn=planned["batch"],
        detail=Detail(
            network=detailed["network"],
            schedule=detailed["schedule"],
            parametrization=detailed["parametrization"],
            steps=generated["upsampling_steps"],
        ),
    )


def _defaults(stage: Callable[..., object]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(stage).parameters.items()}


def prepare(folder: Path, drawn: int) -> Folders:
    """The demo product in small, up to the plan of at least `drawn` defects with one attempt each."""
    folders = Folders(folder / "ingest", folder / "patch", folder / "plan", folder / "generate")
    with redirect_stdout(io.StringIO()):  # the stages point to sheets in a folder that will not last
        draw(folder / "draw", clean=12, per_class=6)
        ingest(folders.ingest, "benchmark", 0, source=folder / "draw")
        patch(folders.patch, folders.ingest, 0, crops=1, good=20, flips=["horizontal", "vertical"])
        plan(folders.plan, folders.ingest, folders.patch, 0, "benchmark", per_class=drawn, attempts=1, batch=drawn)
    return folders


def measure(command: str, machine: dict[str, str], recipe: Recipe, folders: Folders, seconds: float) -> Results:
    """Set everything up that is measured, and let it take turns."""
    torch.manual_seed(0)
    device = torch.device(ACCELERATORS[torch.cuda.is_available()])
    spec, precision = DataSpec.load(folders.patch), fastest_precision()
    products = {"fp32": matrix_product(device, torch.float32), "bf16": matrix_product(device, torch.bfloat16)}
    print("benchmark: setting up and counting operations", flush=True)
    folder = folders.out / CHECKPOINT
    checkpoint = stored(folder, recipe.denoiser(spec), recipe.schedule, spec, precision)
    step, loaded_step = training(recipe, folders, precision, device)
    parameters = sum(parameter.numel() for parameter in checkpoint.denoiser.parameters())
    ours = Network("defectgen", parameters, denoising(checkpoint, recipe.passed), step)
    small, large = drawings(recipe, folders, checkpoint, untrained_upsampler(recipe, folders, spec, precision))
    others, notes = rivals(recipe, spec, precision, device)
    networks = [contender for network in (ours, *others) for contender in (network.denoising, network.training)]
    contenders = [*products.values(), *networks, loaded_step, small, large]
    print(f"benchmark: {len(contenders)} contenders take turns, {seconds:g} s each", flush=True)
    interleave(contenders, seconds)
    facts = machine | {"settings": recipe.describe(precision)}
    return Results(command, facts, products, ours, loaded_step.figure, small.sample, large.sample, others, notes)


def untrained_upsampler(recipe: Recipe, folders: Folders, spec: DataSpec, precision: Precision) -> Upsampler:
    """As `generate` gets it, untrained."""
    above, detail = replace(spec, upsampled=True), recipe.detail
    checkpoint = stored(folders.out / "upsampler", detail.denoiser(above), detail.schedule, above, precision)
    return upsampler_of(checkpoint, recipe.solver, detail.steps)
