"""One attempt at one planned defect: a pure function of the plan row, the attempt's number and what was calibrated.

Attempts of many rows share network calls; what each becomes does not depend on the others.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from defectgen.evidence import Bar
from defectgen.imaging.files import Mask, Pixels, pixel_hash, write_image, write_mask
from defectgen.job import Job, Picture
from defectgen.learn.upsample import HIGH
from defectgen.manifest import Row, make_id, make_seed
from defectgen.painter import Painter
from defectgen.source import Source


@dataclass(frozen=True)
class Judged:
    """A composite with its label, what the gates say of it."""

    result: Pixels  # (S, S[, 3])
    label: Mask  # (S, S)
    change: float  # mean over the planned shape, in units of what counts as a change
    scores: dict[str, float]  # by gate
    reasons: list[str]  # why it is rejected; none: it is not


class Expected(NamedTuple):
    """A job's native square repainted as good, None where that is no picture, and its part of the seconds it took."""

    result: Pixels | None
    seconds: float


class Lineage(NamedTuple):
    """Digests of the weights that draw: the inpainter's, and the upsampler's and likelihood's where there is one."""

    checkpoint: str
    upsampler: str = ""
    likelihood: str = ""  # that guided the inpainter


class Spent(defaultdict[str, float]):
    """Seconds by kind of work."""

    def __init__(self) -> None:
        super().__init__(float)

    @contextmanager
    def on(self, work: str) -> Iterator[None]:
        """What is done inside counts as this kind."""
        start = time.perf_counter()
        yield
        self[work] += time.perf_counter() - start


class Attempts:
    """Draws plan rows with one painter, whose lineage every record tells, and holds them against one bar.

    best_of: attempts made at every row, of which `select` takes the best that pass; more only until one passes.
    """

    def __init__(
        self, out: Path, source: Source, painter: Painter, lineage: Lineage, bar: Bar, best_of: int = 1
    ) -> None:
        self.out, self.source, self.painter, self.lineage = out, source, painter, lineage
        self.bar, self.best_of = bar, best_of

    def draw(self, rows: pd.DataFrame) -> pd.DataFrame:
        """All attempts of some plan rows: each is drawn until it passes or its attempts are used up.

        The columns `seconds_<kind of work>` say what each took, of a shared network call its part.
        """
        size = self.painter.spec.size
        waiting = [Job.planned(self.source, row, size) for _, row in rows.sort_values("plan_id").iterrows()]
        records: list[Row] = []
        passed: set[str] = set()
        expected = self._expected(waiting)
        attempt = 0
        while waiting:
            outcomes = self._attempt(waiting, expected, attempt)
            passed |= {outcome["plan_id"] for outcome in outcomes if outcome["status"] == "accepted"}
            records += outcomes
            attempt += 1
            waiting = [job for job in waiting if self._goes_on(job.row, attempt, passed)]
        return pd.DataFrame(records)

    def _goes_on(self, row: pd.Series, attempt: int, passed: set[str]) -> bool:
        wanted = self.best_of if row["plan_id"] in passed else row["attempts"]
        return attempt < min(wanted, row["attempts"])

    def _expected(self, jobs: list[Job]) -> dict[str, Expected]:
        """What each job's place looks like repainted as good, by plan id: a defect must differ from that too."""
        start = time.perf_counter()
        painted = list(self.painter.as_good(jobs, int(jobs[0].row["batch"])))
        seconds = (time.perf_counter() - start) / len(jobs)
        return {job.row["plan_id"]: Expected(result, seconds) for job, result in painted}

    def _attempt(self, jobs: list[Job], expected: dict[str, Expected], attempt: int) -> list[Row]:
        """The rows of one attempt at each job."""
        start = time.perf_counter()
        seeds = [make_seed(job.row["seed"], attempt) for job in jobs]
        pictures = self.painter.planned(jobs, seeds)
        sampling = (time.perf_counter() - start) / len(jobs)
        return [
            self._finish(job, expected[job.row["plan_id"]], picture, attempt, seed) | {"seconds_sampling": sampling}
            for job, picture, seed in zip(jobs, pictures, seeds, strict=True)
        ]

    def _finish(self, job: Job, expected: Expected, low: Picture, attempt: int, seed: int) -> Row:
        """Detail where it is large, files of one attempt, and its row."""
        instance_id = make_id(job.row["plan_id"], attempt)
        record = job.row.to_dict() | {"instance_id": instance_id, "attempt": attempt, "seed": seed}
        record |= {"checkpoint": self.lineage.checkpoint, "likelihood": self.lineage.likelihood}
        record |= {"upsampler": "", "drawn_at": self.painter.spec.size}
        record |= {"crop_path": "", "label_path": "", "change": np.nan}
        if not attempt:
            record |= {"seconds_expected": expected.seconds}
        if expected.result is None or not np.isfinite(low).all():
            return record | {"status": "failed", "reason": "not finite"}
        spent, large = Spent(), self.painter.wants_detail(job)
        judged = self._judge(job, expected.result, (job.patch, low), spent, early=large)
        if large and not judged.reasons:
            record |= {"drawn_at": HIGH, "upsampler": self.lineage.upsampler}
            with spent.on("upsampling"):
                high = self.painter.high(job, low, job.row["label"], seed)
            if not np.isfinite(high).all():
                return record | {"status": "failed", "reason": "not finite"}
            judged = self._judge(job, expected.result, (job.large, high), spent)
        record |= {"crop_path": f"crops/{instance_id}.png", "label_path": f"crops/{instance_id}-label.png"}
        with spent.on("writing"):
            write_image(self.out / record["crop_path"], judged.result)
            write_mask(self.out / record["label_path"], judged.label)
        record |= {"crop_sha256": pixel_hash(judged.result), "label_sha256": pixel_hash(judged.label)}
        record |= {"change": judged.change} | {f"seconds_{work}": seconds for work, seconds in spent.items()}
        record |= {f"score_{reason}": score for reason, score in judged.scores.items()}
        return record | {"status": "rejected" if judged.reasons else "accepted", "reason": (judged.reasons or [""])[0]}

    def _judge(
        self, job: Job, expected: Pixels, painted: tuple[Picture, Picture], spent: Spent, early: bool = False
    ) -> Judged:
        """Composite of a patch before and after, label and gates; `early`: only the gates that need no detail."""
        with spent.on("composite"):
            drawn = self.bar.drawn(job, expected, self.painter.composite(job, *painted))
        with spent.on("gates"):
            scores, reasons = self.bar.judge(drawn, early)
        change = float(drawn.visible[drawn.shape].mean())
        return Judged(drawn.result, drawn.label, change, scores, reasons)
