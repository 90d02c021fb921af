"""Whether the gates keep what they promise on real products: what is accepted, what they reject, and copies.

Run by hand once `report` has finished for PRODUCTS (a few minutes each); writes reports/gates.md:

    .venv/bin/python -m pytest -m slow tests/test_gates_slow.py
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_products import (
    BATCH,
    CONTROLS,
    DATA,
    PRODUCTS,
    ROOT,
    SEED,
    control_jobs,
    painter_of,
    repainted,
    repainted_twice,
)

from defectgen.evidence import HEALED, Bar
from defectgen.heal import as_real, few_of_each
from defectgen.imaging.read import read_image
from defectgen.imaging.region import find_part
from defectgen.job import Job
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import load_critic
from defectgen.manifest import Manifest
from defectgen.markdown import tabulated
from defectgen.painter import Painter
from defectgen.quality.drawn import Drawn
from defectgen.quality.memorisation import GENERATED, HELD_OUT
from defectgen.source import PLAN, Source
from defectgen.stages.generate import generate
from defectgen.unhealed import as_kept

REPORT = ROOT / "reports/gates.md"
LEAST_YIELD, LEAST_REJECTED, LEAST_ON_PART = 0.5, 0.95, 0.98

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Finding:
    """What was found of a product.

    on_part: share of the accepted defects that lie on the part with half of their label or more, and of real training
    defects with their marks; nan where it fills the picture. fill: median share covered of the accepted, and of healed
    real ones of train and val. passed: by gate,
    share of the healed val defects and of the repainted val pictures that pass. copies: as in the report.
    """

    name: str
    planned: int
    accepted: int
    empty: int
    beside: int
    on_part: dict[str, float]
    fill: dict[str, float]
    controls: int
    rejected: float
    passed: pd.DataFrame
    fired: dict[str, int]
    copies: dict[str, dict[str, Any]]

    @property
    def missed(self) -> list[str]:
        """The promises that are not kept."""
        generated, held_out = self.copies[GENERATED], self.copies[HELD_OUT]
        kept = {
            "no accepted label is empty": not self.empty,
            "nothing changed beside the support": not self.beside,
            "the accepted are filled as healed real ones": self.fill["accepted"] >= self.fill["healed, val"],
            f"yield {LEAST_YIELD}": self.accepted >= LEAST_YIELD * self.planned,
            f"filled rejects {LEAST_REJECTED} of repainted val pictures": self.rejected >= LEAST_REJECTED,
            f"on the part {LEAST_ON_PART}": not self.on_part["accepted"] < LEAST_ON_PART,
            "copies no oftener than held-out real ones": generated["low"] <= held_out["high"],
        }
        return [promise for promise, is_kept in kept.items() if not is_kept]

    def told(self) -> str:
        """A section."""
        lines = [
            ["planned, accepted (yield)", f"{self.planned}, {self.accepted} ({self.accepted / self.planned:.0%})"],
            ["accepted with an empty label; with a pixel changed beside the support", f"{self.empty}; {self.beside}"],
            *([f"on the part: {of}", "–" if np.isnan(on) else f"{on:.1%}"] for of, on in self.on_part.items()),
            *([f"share covered, median: {of}", f"{value:.2f}"] for of, value in self.fill.items()),
            [f"repainted val pictures that `filled` rejects, of {self.controls}", f"{self.rejected:.0%}"],
            *([f"copies: {of}", _rate(rate)] for of, rate in self.copies.items()),
        ]
        missed = f"Missed: {'; '.join(self.missed)}." if self.missed else "Every promise is kept."
        heads = ["gate", *self.passed.columns, "attempts of this run rejected by it, alone or with others"]
        rows = [[gate, *map("{:.0%}".format, row), str(self.fired[gate])] for gate, row in self.passed.T.items()]
        return "\n\n".join([f"## {self.name}", tabulated(["", ""], lines), missed, tabulated(heads, rows)])


def _rate(rate: dict[str, Any]) -> str:
    return f"{rate['copies']} of {rate['count']} ({rate['rate']:.1%}, 95 % {rate['low']:.1%} to {rate['high']:.1%})"


def find(name: str) -> Finding:
    """Of a product whose report is finished."""
    folder, source, painter = DATA / "generate" / name, Source(Manifest.load(DATA / "ingest" / name)), painter_of(name)
    generated, plan = Manifest.load(folder), pd.read_parquet(DATA / "plan" / name / PLAN)
    assert (folder / HEALED).is_file(), f"{folder}: run `defectgen run` for {name} first"
    critic = load_critic(DATA / "train" / name / "critic" / CHECKPOINT)
    gates = inspect.signature(generate).parameters["gates"].default
    bar = Bar.measure(folder, source, painter, plan, critic, gates, SEED)
    accepted = list(kept(generated, source, painter.spec.size))
    controls = controls_of(name, source, painter, bar)
    real = {split: healed(split, source, painter, bar) for split in ("train", "val")}
    judged = {"healed val defects pass": real["val"], "repainted val pictures pass": controls}
    passed = pd.DataFrame({of: passing(bar, some) for of, some in judged.items()})
    fill = {"accepted": accepted} | {f"healed, {split}": some for split, some in real.items()}
    copies = json.loads((DATA / "report" / name / "metrics.json").read_text())["copies"]["rates"]
    return Finding(
        name=name,
        planned=len(plan),
        accepted=len(accepted),
        empty=sum(not one.label.any() for one in accepted),
        beside=sum(bool((one.result != one.clean)[~one.support].any()) for one in accepted),
        on_part={
            "accepted": share_on_part(generated.accepted(), generated, source),
            "real, train": share_on_part(source.defects("train"), source.manifest, source),
        },
        fill={of: float(np.median([one.label[one.shape].mean() for one in some])) for of, some in fill.items()},
        controls=len(controls),
        rejected=1 - passed.loc["filled", "repainted val pictures pass"],
        passed=passed,
        fired=fired(generated.instances, bar),
        copies={rate["of"]: rate for rate in copies},
    )


def kept(generated: Manifest, source: Source, size: int) -> Iterator[Drawn]:
    for _, row in generated.accepted().iterrows():
        yield as_kept(generated.folder, source, row.drop(["x", "y"]).rename({"region_x": "x", "region_y": "y"}), size)


def controls_of(name: str, source: Source, painter: Painter, bar: Bar) -> list[Drawn]:
    """Clean val pictures repainted as good."""
    jobs = list(islice(control_jobs(name, source, painter.spec.size), CONTROLS))
    return [bar.drawn(job, expected, result) for job, expected, result in repainted_twice(painter, jobs)]


def healed(split: str, source: Source, painter: Painter, bar: Bar) -> list[Drawn]:
    """Real defects of a split as though they had been drawn."""
    rows = few_of_each(source, split, SEED).assign(batch=BATCH)
    jobs = [Job.healing(source, row, painter.spec.size) for _, row in rows.iterrows()]
    return [as_real(job, result, bar.noise) for job, result in zip(jobs, repainted(painter, jobs), strict=True)]


def passing(bar: Bar, drawn: Sequence[Drawn]) -> pd.Series:
    """Gate -> share that it lets through; "all": that every gate does. What has no label passes none."""
    reasons = [bar.judge(one)[1] for one in drawn]
    gates = [gate.reason for gate in bar.calibration.gates]
    shares = {gate: np.mean([not {gate, "empty"} & set(some) for some in reasons]) for gate in gates}
    return pd.Series(shares | {"all": np.mean([not some for some in reasons])})


def fired(attempts: pd.DataFrame, bar: Bar) -> dict[str, int]:
    """Gate -> attempts it rejects, of those it was asked about."""
    counts = {"all": int((attempts["status"] != "accepted").sum())}
    for gate in (gate.reason for gate in bar.calibration.gates):
        scores = attempts[f"score_{gate}"]
        limits = attempts["label"].map(lambda label, gate=gate: bar.calibration.limit(gate, label))
        counts[gate] = int((scores < limits).sum())
    return counts


def share_on_part(defects: pd.DataFrame, manifest: Manifest, source: Source) -> float:
    """Of some defects, those with half of their label where their picture shows the part, or its clean one did.

    A bent tip lies where the clean picture has none, a broken one where only the clean picture has it, and a bright
    scuff may look like ground; of real defects there is no clean picture.
    """
    images, on_part = manifest.images.set_index("image_id", drop=False), []
    for _, row in defects.iterrows():
        image = images.loc[row["image_id"]]
        clean_id = image["clean_id"]
        shown = [read_image(manifest.folder / image["image_path"]), *([source.pixels(clean_id)] if clean_id else [])]
        found = [find_part(pixels, source.legal(clean_id or image["image_id"])) for pixels in shown]
        parts = [part for part in found if part is not None]
        if parts:
            on_part.append(np.any(parts, axis=0)[manifest.read_mask(row)].mean() >= 0.5)
    return float(np.mean(on_part)) if on_part else np.nan


def test_gates_keep_what_they_promise() -> None:
    found = [find(name) for name in PRODUCTS]
    REPORT.write_text(PAGE.format(date=date.today(), sections="\n\n".join(each.told() for each in found)))
    missed = {each.name: each.missed for each in found if each.missed}
    assert not missed, f"{missed}; see {REPORT}"


PAGE = """# Do the gates keep what they promise?

Of the data sets that `defectgen run` drew. Real defects of train and val are healed (repainted as "good") and judged as
though they had been drawn onto the healed surface; clean pictures of val, repainted as "good" in planned places and
shapes, are controls: nothing was drawn there. Limits were calibrated on train alone. The share covered is that of the
planned (of a real one: the marked) shape. A defect is on the part with half of its label or more, the part being what
its own picture shows or, of a drawn one, its clean picture. Copies are told as in the report.

{date}:

    .venv/bin/python -m pytest -m slow tests/test_gates_slow.py

{sections}
"""
