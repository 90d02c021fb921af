"""Held-out real regions at 64 px raised to 256 px by diffusion and by bicubic interpolation, against the truth.

Run by hand once `train.upsample` has finished for PRODUCTS (minutes); writes reports/upsampling.md and .png, and the
pictures to SHEETS, which are looked at and stay on this machine:

    .venv/bin/python -m pytest -m slow tests/test_upsampling_slow.py
"""

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from held_regions import Held, Picture, held_out
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm
from upsampled import drift, psnr, spectrum, spectrum_distance, texture, texture_distances

from defectgen.diffusion.solve import DDPM
from defectgen.imaging.files import from_float, write_image
from defectgen.imaging.sheet import Rgb, sheet, to_rgb
from defectgen.learn.checkpoint import CHECKPOINT, load_checkpoint
from defectgen.learn.large import NATIVE
from defectgen.learn.upsample import FACTOR, HIGH, Upsampler
from defectgen.markdown import tabulated
from defectgen.speed.machine import describe_machine
from defectgen.stages.generate import generate

ROOT = Path(__file__).parents[1]
DATA, REPORTS = ROOT / "data", ROOT / "reports"
SHEETS = DATA / "upsampling_study"  # pictures of third parties: never committed
PRODUCTS = ("magnetic_tile", "screw")
CHOOSING, FINAL = "val", "test"  # splits: steps are compared on the one, what is claimed is measured on the other
STEPS = (4, 8, 12, 25, 50)
USED: int = inspect.signature(generate).parameters["upsampling_steps"].default
SHARE, LOSS, DRIFT = 0.5, 3.5, 3.0  # of bicubic's spectrum distance; dB below its PSNR; grey levels: the most allowed
SHOWN = 4  # regions of a class on a sheet

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Drawn:
    """What an upsampler made of held-out regions with some number of steps, and the seconds it took for each."""

    held: Sequence[Held]
    pictures: Sequence[Picture]
    seconds: Sequence[float]

    @classmethod
    def by(cls, name: str, held: Sequence[Held], steps: int) -> "Drawn":
        """One at a time, as `generate` does, with its solver and guides."""
        folder = DATA / "train" / name / "upsample" / CHECKPOINT
        assert folder.is_dir(), f"{folder}: no upsampler; run `defectgen run` for {name} first"
        trained = load_checkpoint(folder)
        levels, classes = trained.schedule.trajectory(steps), len(trained.spec.classes)
        upsampler = Upsampler(trained.denoiser, levels, classes, DDPM(), [], trained.precision)
        pictures, seconds = [], []
        for one in tqdm(held, desc=f"{name}, {steps} steps", disable=None):
            start = time.perf_counter()
            given = one.real[None], one.region[None], one.low[None], [one.number], [one.seed]
            pictures.append(upsampler(*given)[0])
            seconds.append(time.perf_counter() - start)
        return cls(held, pictures, seconds)

    def figures(self) -> pd.DataFrame:
        """A row for each region; of it and of bicubic's what is compared with the truth."""
        rows = []
        for one, picture in zip(self.held, self.pictures, strict=True):
            row: dict[str, str | float] = {"label": one.label, "group": one.group}
            for way, made in (("diffusion", picture), ("bicubic", one.bicubic)):
                row[f"spectrum {way}"] = spectrum_distance(made, one.real, one.region)
                row[f"psnr {way}"] = psnr(made, one.real, one.region)
                row[f"drift {way}"] = drift(made, one.low, one.region)
            rows.append(row)
        return pd.DataFrame(rows)


def test_upsampling_by_diffusion_is_sharp_close_and_true_to_what_it_is_given() -> None:
    sections, curves, claimed = [], {}, {}
    for name in PRODUCTS:
        held = held_out(DATA, name, CHOOSING)
        by_steps = {steps: Drawn.by(name, held, steps) for steps in STEPS}
        curves[name] = compared(by_steps)
        final = Drawn.by(name, held_out(DATA, name, FINAL), USED)
        write_image(SHEETS / f"{name}.png", side_by_side(final))
        claimed[name] = final.figures()
        sections.append(told(name, claimed[name], curves[name], final))
    (REPORTS / "upsampling.png").write_bytes(charted(curves))
    machine = describe_machine()
    (REPORTS / "upsampling.md").write_text(
        PAGE.format(
            date=date.today(),
            processor=machine["processor"],
            software=machine["software"],
            sheets=SHEETS.relative_to(ROOT).as_posix(),
            sections="\n\n".join(sections),
        )
    )
    for name, figures in claimed.items():
        mean = figures.drop(columns=["label", "group"]).mean()
        assert mean["spectrum diffusion"] <= SHARE * mean["spectrum bicubic"], f"{name}: see reports/upsampling.md"
        assert mean["psnr diffusion"] >= mean["psnr bicubic"] - LOSS, f"{name}: see reports/upsampling.md"
        assert mean["drift diffusion"] <= DRIFT, f"{name}: see reports/upsampling.md"


PAGE = f"""# Upsampling by diffusion against bicubic interpolation

Real regions of {NATIVE} native pixels a side or more, about defects of parts that no training saw, reduced by area to
{HIGH // FACTOR} px and raised again to {HIGH} px inside the region. All figures are of the region's pixels alone:

- *spectrum*: root mean square over rings of the difference of log10 power from the truth's; wanted is at most
  {SHARE:g} of bicubic's,
- *PSNR* in dB, the peak being black to white; at most {LOSS:g} below bicubic's, which aims at nothing else,
- *drift*: root mean square of the area averages less the {HIGH // FACTOR} px that were given, in grey levels of 255;
  at most {DRIFT:g},
- *texture*: Frechet distance of texture features of 64 px windows (`defectgen/quality/texture.py`), one half of the
  parts as they are against the other half as drawn; beside it the same with the other half as it is, and how much that
  varies between halves.

Bicubic's picture with the right amount of white noise may pass the first two as well; texture and the eye tell.

Steps are compared on the split {CHOOSING}; what is claimed is measured on the split {FINAL}, with {USED} steps, the
default of `generate`. Means over regions. {{date}}, {{processor}}, {{software}}:

    .venv/bin/python -m pytest -m slow tests/test_upsampling_slow.py

![spectra by ring, and texture by steps](upsampling.png)

The pictures themselves lie in `{{sheets}}`; they are not ours to publish.

{{sections}}
"""


def compared(by_steps: Mapping[int, Drawn]) -> pd.DataFrame:
    """A row for each number of steps, and for BICUBIC, NOISY and (the spectra alone) REAL."""
    held = next(iter(by_steps.values())).held
    groups, real = [one.group for one in held], [texture(one.real, one.region) for one in held]
    known = {BICUBIC: [one.bicubic for one in held], NOISY: [one.noisy for one in held]}
    ways = {way: Drawn(held, pictures, [0.0] * len(held)) for way, pictures in known.items()}
    ways |= {str(steps): drawn for steps, drawn in by_steps.items()}
    rows: dict[str, dict[str, Any]] = {}
    for way, drawn in tqdm(ways.items(), desc="texture", disable=None):
        mean = drawn.figures().filter(like="diffusion").rename(columns=lambda column: column.split()[0]).mean()
        rows[way] = dict(mean) | {"seconds": float(np.median(drawn.seconds)), "regions": len(held)}
        if len(set(groups)) >= 4:
            made = [texture(one, each.region) for one, each in zip(drawn.pictures, held, strict=True)]
            rows[way] |= dict(zip(("texture", "real", "varies"), texture_distances(real, made, groups, 0), strict=True))
        rows[way]["spectra"] = spectra(drawn.pictures, held)
    rows[REAL] = {"spectra": spectra([one.real for one in held], held)}
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=COLUMNS)


COLUMNS = ["spectrum", "psnr", "drift", "texture", "real", "varies", "seconds", "regions", "spectra"]
REAL, BICUBIC, NOISY = "real", "bicubic", "bicubic and noise"  # rows of `compared` beside those of steps


def spectra(pictures: Sequence[Picture], held: Sequence[Held]) -> NDArray[np.float64]:
    """Mean log10 power by ring."""
    return np.mean([spectrum(one, each.region) for one, each in zip(pictures, held, strict=True)], axis=0)


def told(name: str, figures: pd.DataFrame, curve: pd.DataFrame, final: Drawn) -> str:
    """A product's section."""
    parts = {"all": figures, **dict(list(figures.groupby("label")))}
    pairs = [f"{figure} {way}" for figure in ("spectrum", "psnr", "drift") for way in ("diffusion", "bicubic")]
    rows = []
    for label, part in parts.items():
        mean = part[pairs].mean()
        share = f"{mean['spectrum diffusion'] / mean['spectrum bicubic']:.2f}"
        counts = [str(len(part)), str(part["group"].nunique())]
        values = [*(f"{mean[pair]:.2f}" for pair in pairs[:2]), share, *(f"{mean[pair]:.1f}" for pair in pairs[2:])]
        rows.append([label, *counts, *values])
    header = ["class", "regions", "parts", "spectrum", "bicubic", "share", "PSNR", "bicubic", "drift", "bicubic"]
    ways = [[str(way), *steps_row(row)] for way, row in curve.drop(REAL).iterrows()]
    ways_header = ["steps", "spectrum", "PSNR", "drift", "texture", "real from real", "seconds a picture"]
    seconds = f"{np.median(final.seconds):.2f} s a picture."
    count = f"{curve.loc[BICUBIC, 'regions']:.0f} regions"
    return "\n\n".join(
        [
            f"## {name}",
            f"Split {FINAL}, {USED} steps, {seconds}",
            tabulated(header, rows),
            f"By steps: split {CHOOSING}, {count}.",
            tabulated(ways_header, ways),
        ]
    )


def steps_row(row: pd.Series) -> list[str]:
    """The cells of one way; "-": too few parts for a distance between halves of them."""
    few = pd.isna(row["texture"])
    textures = ["-", "-"] if few else [f"{row['texture']:.2f}", f"{row['real']:.2f} +- {row['varies']:.2f}"]
    return [f"{row['spectrum']:.2f}", f"{row['psnr']:.1f}", f"{row['drift']:.1f}", *textures, f"{row['seconds']:.2f}"]


def side_by_side(drawn: Drawn) -> Rgb:
    """Given, drawn and real of a few of each class."""
    rows, names, shown = [], [], dict.fromkeys((one.label for one in drawn.held), 0)
    for one, picture in sorted(zip(drawn.held, drawn.pictures, strict=True), key=lambda pair: pair[0].label):
        if shown[one.label] < SHOWN:
            shown[one.label] += 1
            names.append(one.label)
            pixels = [from_float(each, np.dtype(np.uint8)) for each in (one.bicubic, picture, one.real)]
            rows.append([to_rgb(each) for each in pixels])
    return sheet(rows, names, ["given", "drawn", "real"], cell=HIGH)


def charted(curves: Mapping[str, pd.DataFrame]) -> bytes:
    """Mean spectra above, texture distance by steps below; a column for each product."""
    figure = Figure(figsize=(4.5 * len(curves), 6.4), layout="constrained")
    grid = figure.subplots(2, len(curves), squeeze=False).T
    for (name, curve), (above, below) in zip(curves.items(), grid, strict=True):
        for way, colour in ((REAL, "#333333"), (str(USED), "#2f8f5b"), (BICUBIC, "#c0504d"), (NOISY, "#d9a441")):
            above.plot(curve.loc[way, "spectra"], color=colour, label=f"{way} steps" if way == str(USED) else way)
        above.set(title=f"{name}: power by ring", xlabel="ring, coarse to fine", ylabel="log10 power")
        above.legend(frameon=False)
        steps = curve.loc[[str(number) for number in STEPS]]
        if steps["texture"].isna().any():
            below.set_title("too few parts for a texture distance")
            below.set_axis_off()
            continue
        below.plot(STEPS, steps["texture"], "o-", color="#2f8f5b")
        low, high = (steps["real"] + sign * steps["varies"] for sign in (-1, 1))
        below.fill_between(STEPS, low, high, color="0.85", label="real from real")
        below.set(title="texture distance", xlabel="steps", xscale="log", xticks=STEPS)
        below.xaxis.set_major_formatter("{x:g}")
        below.minorticks_off()
        below.legend(frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=90)
    return buffer.getvalue()
