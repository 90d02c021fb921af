"""The bar: what an attempt is held against, measured on real defects of the training split and on clean surface.

Clean surface repainted as good twice, in places and shapes of the plan, says what is noise; real defects, healed, say
what a real one scores. All are kept in the output, so that a resumed run has the very same bar.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from defectgen.errors import UserError
from defectgen.heal import as_drawn, as_real, few_of_each
from defectgen.imaging.files import Pixels, pixel_hash, write_image
from defectgen.imaging.label import Noise
from defectgen.imaging.read import read_image
from defectgen.job import Job
from defectgen.learn.critic import CrossFitted
from defectgen.manifest import make_seed, write_table
from defectgen.painter import Painter
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import POOLED, Calibration, Copied, Evidence, Gate, calibrate
from defectgen.source import Source
from defectgen.unhealed import every_defect

REPAINTS = "repaints.parquet"  # plan rows with the crop of their clean square repainted as good
REPAINTED = 96  # of them, each on another clean picture: they measure the noise, and show a detector the seam alone
EXPECTED = "expected.parquet"  # the same rows with their squares repainted as good again, with other noise
HEALED = "healed.parquet"  # real training defects with the crop of their square repainted as good
CALIBRATION = "gates.parquet"

Repainted = list[tuple[Job, Pixels]]


@dataclass(frozen=True)
class Bar:
    """Noise decides what of a composite is label, the calibration whether it passes."""

    noise: Noise
    calibration: Calibration

    @classmethod
    def measure(
        cls,
        out: Path,
        source: Source,
        painter: Painter,
        plan: pd.DataFrame,
        critic: CrossFitted,
        gates: Sequence[Gate],
        seed: int,
    ) -> "Bar":
        """Measured once; a resumed run reads back what was repainted and comes to the same."""
        batch = int(plan["batch"].iloc[0])
        clean = plan.sort_values("plan_id").drop_duplicates("clean_id")
        healed_last = clean["clean_id"].map(source.images["synthetic"]).argsort(kind="stable")  # these were painted
        planned = clean.iloc[healed_last].head(REPAINTED)
        real = few_of_each(source, "train", seed).assign(batch=batch)
        controls = repainted(out, REPAINTS, source, painter, planned, Job.planned)
        expected = [result for _, result in repainted(out, EXPECTED, source, painter, reseeded(planned), Job.planned)]
        healed = repainted(out, HEALED, source, painter, real, Job.healing)
        pairs = list(zip(controls, expected, strict=True))
        noise = Noise.measure([([job.clean, other], result, job.shape) for (job, result), other in pairs])
        evidence = Evidence(
            [as_real(job, result, noise) for job, result in healed],
            [as_drawn(job, other, result, noise) for (job, result), other in pairs],
            every_defect(source, "train", painter.spec.size),
            critic,
        )
        calibration = calibrate(gates, evidence)
        calibration.save(out / CALIBRATION)
        return cls(noise, calibration)

    def drawn(self, job: Job, expected: Pixels, result: Pixels) -> Drawn:
        """What was painted, with its label; `expected` is the job's square repainted as good."""
        return as_drawn(job, expected, result, self.noise)

    @property
    def most_alike(self) -> float:
        """Likeness above which two defects of a class are one picture; without the gate `Copied` nothing is."""
        known = {limit.gate for limit in self.calibration.limits}
        return -self.calibration.limit(Copied.reason, POOLED) if Copied.reason in known else 1.0

    def judge(self, drawn: Drawn, early: bool = False) -> tuple[dict[str, float], list[str]]:
        """Scores by gate and the reasons for which it is rejected; nothing changed, nothing else is asked."""
        if not drawn.label.any():
            return {}, ["empty"]
        return self.calibration.judge(drawn, early)


def reseeded(rows: pd.DataFrame) -> pd.DataFrame:
    """Plan rows with the seeds by which they are repainted as good a second time."""
    return rows.assign(seed=[make_seed(seed, "expected") for seed in rows["seed"]])


def repainted(
    out: Path,
    name: str,
    source: Source,
    painter: Painter,
    rows: pd.DataFrame,
    job: Callable[[Source, pd.Series, int], Job],
) -> Repainted:
    """The jobs of some rows with their squares repainted as good, from the table of that name where it is there."""
    table, size, batch = out / name, painter.spec.size, int(rows["batch"].iloc[0])
    crops = [f"{table.stem}/{number:04d}.png" for number in range(len(rows))]
    results = _whole(out, table)
    if results is None:
        results = []
        jobs = (job(source, row, size) for _, row in rows.iterrows())
        shown = tqdm(jobs, f"repaint as good: {table.stem}", len(rows), unit="region", disable=None)
        for crop, (_, result) in zip(crops, painter.as_good(shown, batch), strict=True):
            if result is None:
                raise UserError(f"{out}: the trained networks draw nothing finite; train with a lower rate")
            write_image(out / crop, result)
            results.append(result)
        write_table(table, rows.assign(crop_path=crops, crop_sha256=[pixel_hash(result) for result in results]))
    return [(job(source, row, size), result) for (_, row), result in zip(rows.iterrows(), results, strict=True)]


def _whole(out: Path, table: Path) -> list[Pixels] | None:
    """The squares of a table as they were repainted; None unless every one is there."""
    if not table.is_file():
        return None
    try:
        rows = pd.read_parquet(table)
        results = [read_image(out / path) for path in rows["crop_path"]]
        hashes = list(rows["crop_sha256"])
    except (UserError, OSError, ValueError, KeyError):
        return None
    return results if [pixel_hash(result) for result in results] == hashes else None
