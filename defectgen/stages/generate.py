"""generate: draw the planned defects, composite them, label what changed, keep what passes the gates."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from defectgen import tracking
from defectgen.attempt import Attempts
from defectgen.diffusion.guide import ClassifierFree, Clip, Guide
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.solve import DDPM, Solver
from defectgen.errors import UserError
from defectgen.evidence import Bar
from defectgen.imaging.files import write_atomic
from defectgen.joined import with_healed
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import load_critic
from defectgen.learn.start import Noise, Start
from defectgen.manifest import Manifest, write_table
from defectgen.outputs import Stopwatch
from defectgen.page.gates import gate_facts, silent
from defectgen.painter import LARGEST_LOW
from defectgen.quality.copies import duplicates
from defectgen.quality.gates import (
    Agreement,
    Contrast,
    Copied,
    Extent,
    Filled,
    Gate,
    Legal,
    Seam,
    Spilled,
)
from defectgen.select import select, settle
from defectgen.shards import is_drawn, shard_path
from defectgen.source import PLAN, Source
from defectgen.trained import Trained, trajectory_of
from defectgen.unhealed import as_kept


def generate(
    out: Path,
    ingest: Path,
    inpaint: Path,
    upsample: Path,
    critic: Path,
    plan: Path,
    seed: int,
    likelihood: Path | None = None,
    heal: Path | None = None,
    *,
    solver: Solver = DDPM(),  # noqa: B008 - stateless
    steps: PositiveInt = 20,
    schedule: Schedule | None = None,
    jump: PositiveInt = 10,
    repeats: PositiveInt = 1,
    start: Start = Noise(),  # noqa: B008 - stateless
    guides: Sequence[Guide] = (ClassifierFree(3.0), Clip()),
    upsampling_steps: PositiveInt = 12,
    gates: Sequence[Gate] = (Filled(), Spilled(), Contrast(), Seam(), Extent(), Legal(), Agreement(), Copied()),
    best_of: PositiveInt = 1,
) -> str:
    """Draw the data set; shards that are done are not drawn again.

    Args:
        out: folder of the synthetic manifest.
        ingest: folder of the real pictures.
        inpaint: folder of the trained inpainter.
        upsample: folder of the trained upsampler; empty where no defect is large.
        critic: folder of the critic, for the gates that ask it.
        plan: folder of the plan.
        seed: of the choice of real defects that the gates are calibrated on.
        likelihood: folder of the likelihood that a `Classifier` among the guides asks; None where none was trained.
        heal: folder of the healed pictures, which are clean pictures too; None where none were healed.
        solver: how a step from one noise level to the next is made, by both networks.
        steps: noise levels that the inpainter walks.
        schedule: where those levels lie, cut to those it was trained on; without one, as in training.
        jump: steps of a block that is walked again where repeats is above 1.
        repeats: times every block is walked (RePaint); 1 walks straight down. Above 1 take a stochastic solver.
        start: where the inpainter begins: at Noise, or at the Donor's own pixels, which makes variants of real defects.
        guides: what is wrapped around the inpainter's denoiser, innermost first.
        upsampling_steps: noise levels walked to give a large defect its detail.
        gates: what an attempt must pass, each as strict as real training defects allow unless it is given a limit.
        best_of: attempts made at every defect, of those that pass the one that changed most is taken; 1 takes the
            first. Never more than plan.attempts.
    """
    rows, source = pd.read_parquet(plan / PLAN), Source(with_healed(ingest, heal))
    levels = partial(trajectory_of, schedule, steps=steps, jump=jump, repeats=repeats)
    trained = Trained("generate", inpaint, upsample, likelihood)
    painter, lineage = trained.painter(levels, solver, guides, upsampling_steps, start)
    if not painter.told:
        print("  note: the inpainter is told nothing: it draws any class, and as good surface too, by which labels and")
        print("  gates are measured; train with a term to draw a data set")
    large = int((rows["side"] > LARGEST_LOW).sum())
    if painter.cascade.upsampler is None and large:
        print(f"  {large} of {len(rows)} planned defects are larger than {LARGEST_LOW} px and stay as drawn at 64 px:")
        print("  train.upsample had no large defect to learn detail from")
    bar = Bar.measure(out, source, painter, rows, load_critic(critic / CHECKPOINT), gates, seed)
    attempts = Attempts(out, source, painter, lineage, bar, best_of)
    drawn = _draw(out, rows, attempts)
    selecting = time.perf_counter()
    drawn = settle(drawn, partial(_repeats, out, source, bar, painter.spec.size))
    seconds = drawn.filter(like="seconds_")
    manifest = select(out, source, drawn.drop(columns=seconds))
    spent = {name.removeprefix("seconds_"): float(total) for name, total in seconds.sum().items()}
    spent["select"] = time.perf_counter() - selecting
    write_atomic(out / "seconds.json", json.dumps(spent).encode())
    _summarise(manifest, rows, bar)
    digest = manifest.save()
    counts = manifest.accepted()["label"].value_counts().to_dict()
    tracking.log_data_set(f"{ingest.name} synthetic", out, digest, "synthetic", counts)
    return digest


def _draw(out: Path, rows: pd.DataFrame, attempts: Attempts) -> pd.DataFrame:
    """The attempts of all rows, drawn shard by shard where they are not yet."""
    watch, shards = Stopwatch(out), {int(number): shard for number, shard in rows.groupby("shard")}
    missing = {number: shard for number, shard in shards.items() if not is_drawn(out, number, shard)}
    done = len(rows) - sum(map(len, missing.values()))
    with tqdm(total=len(rows), initial=done, desc="generate", unit="defect", disable=None) as bar:
        for number, shard in missing.items():
            write_table(shard_path(out, number), attempts.draw(shard))
            watch.keep()
            bar.update(len(shard))
    return pd.concat([pd.read_parquet(shard_path(out, number)) for number in shards])


def _repeats(out: Path, source: Source, bar: Bar, size: int, rows: pd.DataFrame) -> list[bool]:
    """Which attempts are as alike to an earlier one as no two real defects of different parts are."""
    kept = [as_kept(out, source, row, size) for _, row in rows.iterrows()]
    return duplicates(kept, bar.most_alike)


def _summarise(manifest: Manifest, rows: pd.DataFrame, bar: Bar) -> None:
    """Print the funnel and log it; a set in which nothing passed is no set."""
    table = manifest.instances
    accepted = manifest.accepted()
    for label, planned in rows.groupby("label"):
        mine = table[table["label"] == label]
        kept = int((accepted["label"] == label).sum())
        reasons = Counter(mine.loc[mine["status"] != "accepted", "reason"])
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        print(f"  {label:20s} planned {len(planned):4d}  attempts {len(mine):4d}  accepted {kept:4d}  {told}")
        tracking.log_metrics({f"accepted/{label}": kept, f"attempts/{label}": len(mine)})
    gates = gate_facts(bar.calibration.table(), table, sorted(rows["label"].unique()))
    if unheard := silent(gates):
        print(f"  gates that never fired on this run: {', '.join(unheard)}")
    if accepted.empty:
        raise UserError(f"{manifest.folder}: no attempt passed the gates; train longer or loosen generate.gates")
