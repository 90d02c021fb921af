"""Paints jobs with one cascade and brings what was painted into their native squares."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.blend import composite
from defectgen.imaging.files import Pixels
from defectgen.job import Job, Picture
from defectgen.learn.asked import Asked
from defectgen.learn.cascade import Cascade
from defectgen.manifest import GOOD, make_seed
from defectgen.spec import DataSpec

LARGEST_LOW = 96  # native side up to which 64 px show a defect well enough


class Painter:
    """A cascade and the classes it knows; told: whether it listens when it is asked for one, or for good surface."""

    def __init__(self, cascade: Cascade, spec: DataSpec, told: bool = True) -> None:
        self.cascade, self.spec, self.told = cascade, spec, told

    def low(self, jobs: Sequence[Job], labels: Sequence[str], seeds: Sequence[int]) -> NDArray[np.float32]:
        """What the inpainter makes of each patch, (N, C, size, size); not finite where it fails."""
        patches, regions = np.stack([job.patch for job in jobs]), np.stack([job.region for job in jobs])
        return self.cascade.low(patches, regions, self._asked(jobs, labels), seeds, int(jobs[0].row["batch"]))

    def planned(self, jobs: Sequence[Job], seeds: Sequence[int]) -> NDArray[np.float32]:
        """The same of the defect each job is planned for, begun at its donor's pixels where the cascade says so."""
        labels = [job.row["label"] for job in jobs]
        if not self.cascade.at_donor:
            return self.low(jobs, labels, seeds)
        patches, regions = np.stack([job.donated for job in jobs]), np.stack([job.region for job in jobs])
        asked, shows = self._asked(jobs, labels), self._asked(jobs, [job.shows for job in jobs])
        return self.cascade.low(patches, regions, asked, seeds, int(jobs[0].row["batch"]), shows)

    def _asked(self, jobs: Sequence[Job], labels: Sequence[str]) -> list[Asked]:
        return [job.asked(label, self.spec.number(label)) for job, label in zip(jobs, labels, strict=True)]

    def wants_detail(self, job: Job) -> bool:
        """Whether it is larger than 64 px can show, and there is a network for more."""
        return self.cascade.upsampler is not None and job.clean.shape[0] > LARGEST_LOW

    def high(self, job: Job, low: Picture, label: str, seed: int) -> Picture:
        """The painted patch with detail, (C, HIGH, HIGH)."""
        return self.cascade.high(job.large, job.region, low, self.spec.number(label), seed)

    def composite(self, job: Job, seen: Picture, painted: Picture) -> Pixels:
        """The job's square with what was painted; beside the picture, what is reflected there stays."""
        result = job.clean.copy()
        result[job.inside] = composite(job.clean, seen, painted, job.region)[job.inside]
        return result

    def as_good(self, jobs: Iterable[Job], batch: int) -> Iterator[tuple[Job, Pixels | None]]:
        """Every job's square painted as good surface, in order, None where the networks' pictures are not finite.

        `batch` of them share a network call.
        """
        stream = iter(jobs)
        while few := list(islice(stream, batch)):
            seeds = [make_seed(job.row["seed"], GOOD) for job in few]
            for job, low, seed in zip(few, self.low(few, [GOOD] * len(few), seeds), seeds, strict=True):
                seen, painted = job.patch, low
                if self.wants_detail(job) and np.isfinite(low).all():
                    seen, painted = job.large, self.high(job, low, GOOD, seed)
                yield job, self.composite(job, seen, painted) if np.isfinite(painted).all() else None
