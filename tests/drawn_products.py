"""What slow tests need of a product whose data set is drawn: its networks, its noise, clean val pictures to repaint."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from itertools import cycle
from pathlib import Path

import pandas as pd

from defectgen.diffusion.solve import DDPM
from defectgen.evidence import EXPECTED, REPAINTS, reseeded
from defectgen.imaging.files import Pixels
from defectgen.imaging.label import Noise
from defectgen.imaging.read import read_image
from defectgen.job import Job
from defectgen.painter import Painter
from defectgen.source import PLAN, Source
from defectgen.stages.generate import generate
from defectgen.trained import Trained

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
PRODUCTS = ("magnetic_tile", "screw")
BATCH, STEPS, DETAIL_STEPS, SEED = 16, 20, 12, 0
CONTROLS = 48  # pictures of the val split repainted as good


def painter_of(name: str, stage: Callable[..., str] = generate) -> Painter:
    """A product's networks, walked as a stage does by default."""
    folder, guides = DATA / "train" / name, signature(stage).parameters["guides"].default
    trained = Trained("generate", folder / "inpaint", folder / "upsample", None)
    return trained.painter(lambda schedule: schedule.trajectory(STEPS), DDPM(), guides, DETAIL_STEPS)[0]


def noise_of(name: str, source: Source, size: int) -> Noise:
    """That of clean training surface repainted as good twice, which `generate` keeps."""
    folder = DATA / "generate" / name
    assert (folder / EXPECTED).is_file(), f"{folder}: nothing repainted; run `defectgen run` for {name} first"
    rows = pd.read_parquet(folder / REPAINTS)
    jobs = [Job.planned(source, row, size) for _, row in rows.iterrows()]
    results = [read_image(folder / path) for path in rows["crop_path"]]
    others = [read_image(folder / path) for path in pd.read_parquet(folder / EXPECTED)["crop_path"]]
    repaints = zip(jobs, others, results, strict=True)
    return Noise.measure([([job.clean, other], result, job.shape) for job, other, result in repaints])


def repainted(painter: Painter, jobs: Sequence[Job]) -> list[Pixels]:
    """The squares of jobs repainted as good."""
    results = [result for _, result in painter.as_good(jobs, BATCH)]
    assert not any(result is None for result in results), "the networks draw nothing finite"
    return [result for result in results if result is not None]


def repainted_twice(painter: Painter, jobs: Sequence[Job]) -> list[tuple[Job, Pixels, Pixels]]:
    """Controls: a job, its square repainted as good with other noise, which is to be expected, and as good."""
    seeds = reseeded(pd.DataFrame({"seed": [job.row["seed"] for job in jobs]}))["seed"]
    again = [replace(job, row=job.row.copy()) for job in jobs]
    for job, seed in zip(again, seeds, strict=True):
        job.row["seed"] = seed
    return list(zip(jobs, repainted(painter, again), repainted(painter, jobs), strict=True))


def control_jobs(name: str, source: Source, size: int) -> Iterator[Job]:
    """Planned shapes on clean pictures of the val split, wherever a shape and its square lie in that picture too."""
    plan = pd.read_parquet(DATA / "plan" / name / PLAN).sort_values("plan_id")
    for (_, row), clean_id in zip(plan.iterrows(), cycle(source.clean("val")), strict=False):
        moved = row.copy()
        moved["clean_id"] = clean_id
        height, width = source.shape(clean_id)
        if max(row["x"], row["x"] + row["side"] / 2) < width and max(row["y"], row["y"] + row["side"] / 2) < height:
            job = Job.planned(source, moved, size)
            if (job.shape & job.legal).any():
                yield job
