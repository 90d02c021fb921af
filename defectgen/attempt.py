"""One attempt at one planned defect: a pure function of the plan row, the attempt's number and the plan's noise.

Attempts of many rows share network calls; what each becomes does not depend on the others.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.errors import UserError
from defectgen.imaging.blend import composite
from defectgen.imaging.files import Mask, Pixels, pixel_hash, to_float, write_atomic, write_image, write_mask
from defectgen.imaging.label import Noise, changed, strength
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.cascade import Cascade
from defectgen.learn.upsample import HIGH
from defectgen.manifest import GOOD, Row, make_id, make_seed, write_table
from defectgen.quality.gates import Drawn, Gate
from defectgen.source import Source
from defectgen.spec import DataSpec

REPAINTS = "repaints.parquet"  # plan rows with the crop of their clean square repainted as good
REPAINTED = 96  # of them, each on another clean picture: they measure the noise, and show a detector the seam alone

LARGEST_LOW = 96  # native side up to which 64 px show a defect well enough

Picture = NDArray[np.float32]  # (C, N, N) in [-1, 1]


@dataclass(frozen=True)
class Job:
    """What the network needs for one plan row, and what the composite needs afterwards."""

    row: pd.Series
    clean: Pixels  # (S, S[, 3]) native square
    shape: Mask  # (S, S), what of it lies in the picture
    patch: Picture  # (C, 64, 64)
    region: Mask  # (64, 64)
    inside: tuple[slice, slice]  # the square's part that lies in the picture

    @property
    def large(self) -> Picture:
        """The clean square (C, HIGH, HIGH)."""
        return to_float(shrink(self.clean, HIGH))


@dataclass(frozen=True)
class Judged:
    """A composite with its label, what the gates say of it."""

    result: Pixels  # (S, S[, 3])
    label: Mask  # (S, S)
    scores: dict[str, float]  # by gate
    reasons: list[str]  # why it is rejected; none: it is not


class Lineage(NamedTuple):
    """Digests of the weights that draw: those of the inpainter, and of the upsampler where there is one."""

    checkpoint: str
    upsampler: str = ""


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
    """Draws plan rows with one cascade, whose lineage every record tells."""

    def __init__(
        self,
        out: Path,
        source: Source,
        cascade: Cascade,
        spec: DataSpec,
        lineage: Lineage,
        gates: Sequence[Gate],
        rows: pd.DataFrame,
    ) -> None:
        self.out, self.source, self.cascade, self.gates = out, source, cascade, gates
        self.spec, self.lineage = spec, lineage
        self.noise = self._calibrate(rows)

    def draw(self, rows: pd.DataFrame) -> pd.DataFrame:
        """All attempts of some plan rows: each is drawn until it passes or its attempts are used up.

        The columns `seconds_<kind of work>` say what each took, of a shared network call its part.
        """
        waiting = [self._job(row) for _, row in rows.sort_values("plan_id").iterrows()]
        records: list[Row] = []
        attempt = 0
        while waiting:
            start = time.perf_counter()
            seeds = [make_seed(job.row["seed"], attempt) for job in waiting]
            labels = [self.spec.number(job.row["label"]) for job in waiting]
            pictures = self._paint(waiting, labels, seeds)
            sampling = (time.perf_counter() - start) / len(waiting)
            outcomes = [
                self._finish(job, picture, attempt, seed) | {"seconds_sampling": sampling}
                for job, picture, seed in zip(waiting, pictures, seeds, strict=True)
            ]
            records += outcomes
            attempt += 1
            waiting = [
                job
                for job, outcome in zip(waiting, outcomes, strict=True)
                if outcome["status"] != "accepted" and attempt < job.row["attempts"]
            ]
        return pd.DataFrame(records)

    def _job(self, row: pd.Series) -> Job:
        square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
        picture = self.source.pixels(row["clean_id"])
        clean, shape = square.cut(picture), square.cut(self.source.planned_shape(row))
        region = grow(shrink_mask(shape, self.spec.size), REACH)
        patch = to_float(shrink(clean, self.spec.size))
        inside = square.inside(picture.shape)[1]
        visible = np.zeros_like(shape)
        visible[inside] = shape[inside]
        return Job(row, clean, visible, patch, region, inside)

    def _paint(self, jobs: list[Job], labels: Sequence[int], seeds: Sequence[int]) -> NDArray[np.float32]:
        patches, regions = np.stack([job.patch for job in jobs]), np.stack([job.region for job in jobs])
        return self.cascade.low(patches, regions, labels, seeds, int(jobs[0].row["batch"]))

    def _finish(self, job: Job, low: Picture, attempt: int, seed: int) -> Row:
        """Detail where it is large, files of one attempt, and its row."""
        instance_id = make_id(job.row["plan_id"], attempt)
        record = job.row.to_dict() | {"instance_id": instance_id, "attempt": attempt, "seed": seed}
        record |= {"checkpoint": self.lineage.checkpoint, "upsampler": "", "drawn_at": self.spec.size}
        record |= {"crop_path": "", "label_path": ""}
        if not np.isfinite(low).all():
            return record | {"status": "failed", "reason": "not finite"}
        spent = Spent()
        judged = self._judge(job, job.patch, low, spent)
        if self._wants_detail(job) and not judged.reasons:
            record |= {"drawn_at": HIGH, "upsampler": self.lineage.upsampler}
            with spent.on("upsampling"):
                large = job.large
                high = self.cascade.high(large, job.region, low, self.spec.number(job.row["label"]), seed)
            if not np.isfinite(high).all():
                return record | {"status": "failed", "reason": "not finite"}
            judged = self._judge(job, large, high, spent)
        record |= {"crop_path": f"crops/{instance_id}.png", "label_path": f"crops/{instance_id}-label.png"}
        with spent.on("writing"):
            write_image(self.out / record["crop_path"], judged.result)
            write_mask(self.out / record["label_path"], judged.label)
        record |= {"crop_sha256": pixel_hash(judged.result), "label_sha256": pixel_hash(judged.label)}
        record |= {f"seconds_{work}": seconds for work, seconds in spent.items()}
        record |= {f"score_{reason}": score for reason, score in judged.scores.items()}
        return record | {"status": "rejected" if judged.reasons else "accepted", "reason": (judged.reasons or [""])[0]}

    def _wants_detail(self, job: Job) -> bool:
        return self.cascade.upsampler is not None and job.clean.shape[0] > LARGEST_LOW

    def _composite(self, job: Job, seen: Picture, drawn: Picture) -> tuple[Pixels, Mask]:
        """The drawn native square and where it may differ from the clean one: nowhere beside the picture."""
        result, support = composite(job.clean, seen, drawn, job.region)
        outside = np.ones(support.shape, bool)
        outside[job.inside] = False
        result[outside] = job.clean[outside]
        return result, support & ~outside

    def _judge(self, job: Job, seen: Picture, drawn: Picture, spent: Spent) -> Judged:
        """Composite, label and gates."""
        with spent.on("composite"):
            result, support = self._composite(job, seen, drawn)
            label = changed(job.clean, result, support, self.noise)
        with spent.on("gates"):
            outcome = Drawn(job.clean, result, job.shape, label)
            scores = {gate.reason: gate.score(outcome) for gate in self.gates}
            reasons = [gate.reason for gate in self.gates if not gate.passes(scores[gate.reason])]
            if not label.any():
                reasons.insert(0, "empty")
        return Judged(result, label, scores, reasons)

    def _calibrate(self, rows: pd.DataFrame) -> Noise:
        """The noise of repainting clean surface as good, in the places and shapes of the plan's first rows.

        Measured once, and the repaints kept; a resumed run reads it back.
        """
        path = self.out / "noise.yaml"
        if path.is_file():
            return Noise(**yaml.safe_load(path.read_text()))
        chosen = rows.sort_values("plan_id").drop_duplicates("clean_id").head(REPAINTED)
        changes, crops = [], []
        for job, result in tqdm(self._repaints(chosen), "repaint as good", len(chosen), disable=None):
            changes.append(strength(job.clean, result)[job.shape])
            crops.append(f"repaints/{job.row['plan_id']}.png")
            write_image(self.out / crops[-1], result)
        write_table(self.out / REPAINTS, chosen.assign(crop_path=crops))
        noise = Noise.measure(changes)
        write_atomic(path, yaml.safe_dump(asdict(noise)).encode())
        return noise

    def _repaints(self, rows: pd.DataFrame) -> Iterator[tuple[Job, Pixels]]:
        """Clean surface drawn anew as good in the places and shapes of some plan rows, in their order.

        Each is a job and its native square afterwards.

        Raises:
            UserError: the networks' pictures are not finite.
        """
        batch = int(rows["batch"].iloc[0])
        for start in range(0, len(rows), batch):
            jobs = [self._job(row) for _, row in rows.iloc[start : start + batch].iterrows()]
            seeds = [make_seed(job.row["seed"], GOOD) for job in jobs]
            for job, low, seed in zip(jobs, self._paint(jobs, [0] * len(jobs), seeds), seeds, strict=True):
                seen, drawn = job.patch, low
                if self._wants_detail(job) and np.isfinite(low).all():
                    seen = job.large
                    drawn = self.cascade.high(seen, job.region, low, 0, seed)
                if not np.isfinite(drawn).all():
                    raise UserError(f"{self.out}: the trained networks draw nothing finite; train with a lower rate")
                yield job, self._composite(job, seen, drawn)[0]
