"""What slow tests need of a product whose data set is drawn: its networks, its noise, clean val pictures to repaint."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pandas as pd

from defectgen.diffusion.guide import ClassifierFree, Clip
from defectgen.diffusion.solve import DDPM
from defectgen.evidence import REPAINTS
from defectgen.imaging.label import Noise
from defectgen.imaging.read import read_image
from defectgen.job import Job
from defectgen.learn.cascade import Cascade
from defectgen.learn.checkpoint import CHECKPOINT, load_checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.painter import Painter
from defectgen.source import PLAN, Source
from defectgen.stages.generate import upsampler_of

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
PRODUCTS = ("magnetic_tile", "screw")
BATCH, STEPS, DETAIL_STEPS, SEED = 16, 20, 12, 0
CONTROLS = 48  # pictures of the val split repainted as good


def painter_of(name: str) -> Painter:
    """A product's networks, walked as `generate` does by default."""
    trained = load_checkpoint(DATA / "train" / name / "inpaint" / CHECKPOINT)
    guides, classes = (ClassifierFree(1.5), Clip()), len(trained.spec.classes)
    levels = trained.schedule.trajectory(STEPS)
    inpainter = Inpainter(trained.denoiser, levels, classes, DDPM(), guides, trained.precision)
    detail = DATA / "train" / name / "upsample" / CHECKPOINT
    upsampler = upsampler_of(load_checkpoint(detail), DDPM(), DETAIL_STEPS) if detail.is_dir() else None
    return Painter(Cascade(inpainter, upsampler), trained.spec)


def noise_of(name: str, source: Source, size: int) -> Noise:
    """That of clean training surface repainted as good, which `generate` keeps."""
    folder = DATA / "generate" / name
    assert (folder / REPAINTS).is_file(), f"{folder}: nothing repainted; run `defectgen run` for {name} first"
    jobs = [(Job.planned(source, row, size), row) for _, row in pd.read_parquet(folder / REPAINTS).iterrows()]
    return Noise.measure([(job.clean, read_image(folder / row["crop_path"]), job.shape) for job, row in jobs])


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
