"""One attempt at one planned defect: a pure function of the plan row, the attempt's number and the plan's noise.

Attempts of many rows share network calls; what each becomes does not depend on the others.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.imaging.blend import add_change, blend_weight
from defectgen.imaging.files import Mask, Pixels, pixel_hash, to_float, write_atomic, write_image, write_mask
from defectgen.imaging.label import Noise, changed, strength
from defectgen.imaging.region import grow
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.learn.checkpoint import Checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.manifest import GOOD, Row, make_id, make_seed, write_table
from defectgen.quality.gates import Drawn, Gate
from defectgen.source import Source

REACH = 2.0  # pixels at 64 px by which a region exceeds its shape; training regions exceed it by 1 to 4
REPAINTS = "repaints.parquet"  # plan rows with the crop of their clean square repainted as good
REPAINTED = 96  # of them, each on another clean picture: they measure the noise, and show a detector the seam alone


@dataclass(frozen=True)
class Job:
    """What the network needs for one plan row, and what the composite needs afterwards."""

    row: pd.Series
    clean: Pixels  # (S, S[, 3]) native square
    shape: Mask  # (S, S)
    patch: NDArray[np.float32]  # (C, 64, 64)
    region: Mask  # (64, 64)
    inside: tuple[slice, slice]  # the square's part that lies in the picture


class Attempts:
    """Draws plan rows with one checkpoint."""

    def __init__(
        self,
        out: Path,
        source: Source,
        inpainter: Inpainter,
        checkpoint: Checkpoint,
        gates: Sequence[Gate],
        rows: pd.DataFrame,
    ) -> None:
        self.out, self.source, self.inpainter, self.gates = out, source, inpainter, gates
        self.checkpoint, self.spec = checkpoint.digest[:16], checkpoint.spec
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
        return Job(row, clean, shape, patch, region, square.inside(picture.shape)[1])

    def _paint(self, jobs: list[Job], labels: Sequence[int], seeds: Sequence[int]) -> NDArray[np.float32]:
        patches, regions = np.stack([job.patch for job in jobs]), np.stack([job.region for job in jobs])
        return self.inpainter.padded(patches, regions, labels, seeds, int(jobs[0].row["batch"]))

    def _composite(self, job: Job, picture: NDArray[np.float32]) -> tuple[Pixels, Mask]:
        """The drawn native square and the support of its alpha, both only where the square lies in the picture."""
        alpha = np.zeros(job.clean.shape[:2], np.float32)
        alpha[job.inside] = blend_weight(job.region, job.clean.shape[0])[job.inside]
        return add_change(job.clean, picture - job.patch, alpha), alpha > 0

    def _finish(self, job: Job, picture: NDArray[np.float32], attempt: int, seed: int) -> Row:
        """Composite, label, gates and files of one attempt, and its row."""
        instance_id = make_id(job.row["plan_id"], attempt)
        record = job.row.to_dict() | {"instance_id": instance_id, "attempt": attempt, "seed": seed}
        record |= {"checkpoint": self.checkpoint, "crop_path": "", "label_path": ""}
        if not np.isfinite(picture).all():
            return record | {"status": "failed", "reason": "not finite"}
        start = time.perf_counter()
        result, support = self._composite(job, picture)
        label = changed(job.clean, result, support, self.noise)
        composited = time.perf_counter()
        shape = np.zeros_like(job.shape)
        shape[job.inside] = job.shape[job.inside]
        drawn = Drawn(job.clean, result, shape, label)
        scores = {gate.reason: gate.score(drawn) for gate in self.gates}
        failed = [gate.reason for gate in self.gates if not gate.passes(scores[gate.reason])]
        if not label.any():
            failed.insert(0, "empty")
        judged = time.perf_counter()
        record |= {"crop_path": f"crops/{instance_id}.png", "label_path": f"crops/{instance_id}-label.png"}
        write_image(self.out / record["crop_path"], result)
        write_mask(self.out / record["label_path"], label)
        written = time.perf_counter()
        record |= {"crop_sha256": pixel_hash(result), "label_sha256": pixel_hash(label)}
        record |= {"seconds_composite": composited - start, "seconds_gates": judged - composited}
        record |= {"seconds_writing": written - judged}
        record |= {f"score_{reason}": score for reason, score in scores.items()}
        return record | {"status": "rejected" if failed else "accepted", "reason": failed[0] if failed else ""}

    def _calibrate(self, rows: pd.DataFrame) -> Noise:
        """The noise of repainting clean surface as good, in the places and shapes of the plan's first rows.

        Measured once, and the repaints kept; a resumed run reads it back.
        """
        path = self.out / "noise.yaml"
        if path.is_file():
            return Noise(**yaml.safe_load(path.read_text()))
        chosen = rows.sort_values("plan_id").drop_duplicates("clean_id").head(REPAINTED)
        changes, crops = [], []
        for job, result, support in tqdm(self._repaints(chosen), "repaint as good", len(chosen), disable=None):
            changes.append(strength(job.clean, result)[support])
            crops.append(f"repaints/{job.row['plan_id']}.png")
            write_image(self.out / crops[-1], result)
        write_table(self.out / REPAINTS, chosen.assign(crop_path=crops))
        noise = Noise.measure(changes)
        write_atomic(path, yaml.safe_dump(asdict(noise)).encode())
        return noise

    def _repaints(self, rows: pd.DataFrame) -> Iterator[tuple[Job, Pixels, Mask]]:
        """Clean surface drawn anew as good in the places and shapes of some plan rows, in their order.

        Each is a job, its native square afterwards and the support of its alpha.
        """
        batch = int(rows["batch"].iloc[0])
        for start in range(0, len(rows), batch):
            jobs = [self._job(row) for _, row in rows.iloc[start : start + batch].iterrows()]
            pictures = self._paint(jobs, [0] * len(jobs), [make_seed(job.row["seed"], GOOD) for job in jobs])
            for job, picture in zip(jobs, pictures, strict=True):
                yield job, *self._composite(job, picture)
