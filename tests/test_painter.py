"""The painter: which jobs get detail, what stays untouched, and surface repainted as good in any company."""

import numpy as np
import pytest
from brightening import LARGE, SPOTS, Brightening, painter_of, product

from defectgen.job import Job

NAMES = list(SPOTS)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    source, rows = product(tmp_path_factory.mktemp("product"))
    return [Job.planned(source, row, 64) for _, row in rows.iterrows()]


@pytest.mark.parametrize("upsampler", [True, False])
def test_only_what_is_large_wants_detail_and_only_where_a_network_has_it(jobs: list[Job], upsampler: bool) -> None:
    painter = painter_of(Brightening(upsampler))
    wanted = {name for name, job in zip(NAMES, jobs, strict=True) if painter.wants_detail(job)}
    assert wanted == (LARGE if upsampler else set())


def test_a_composite_changes_nothing_beside_its_support(jobs: list[Job]) -> None:
    painter = painter_of(Brightening())
    low = painter.low(jobs, ["pit"] * len(jobs), range(len(jobs)))
    for job, painted in zip(jobs, low, strict=True):
        changed = painter.composite(job, job.patch, painted) != job.clean
        assert not (changed & ~job.support).any()
        assert changed[job.support].mean() > 0.7


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_jobs_painted_as_good_come_in_their_order_and_as_if_each_were_alone(jobs: list[Job], batch: int) -> None:
    few = [jobs[NAMES.index(name)] for name in ("large", "small", "corner", "limit", "above")]
    cascade = Brightening()
    together = list(painter_of(cascade).as_good(few, batch))
    assert [job for job, _ in together] == few
    assert cascade.asked == {1: [1] * 5, 4: [4, 1], 100: [5]}[batch]
    assert [label for label, _ in cascade.enlarged] == [0] * 3
    for job, result in together:
        ((_, alone),) = painter_of(Brightening()).as_good([job], 1)
        assert result is not None and alone is not None
        assert np.array_equal(result, alone)
        assert (result != job.clean)[job.support].mean() > 0.5
        assert not (result != job.clean)[~job.support].any()


@pytest.mark.parametrize(("spoiled", "lost"), [(64, set(SPOTS)), (256, LARGE)])
def test_good_repaints_that_are_no_pictures_are_none_and_the_others_are_painted(
    jobs: list[Job], spoiled: int, lost: set[str]
) -> None:
    cascade = Brightening(spoiled=spoiled)
    painted = list(painter_of(cascade).as_good(jobs, 2))
    assert {name for name, (_, result) in zip(NAMES, painted, strict=True) if result is None} == lost
    assert len(cascade.enlarged) == (len(LARGE) if spoiled == 256 else 0), "nothing is enlarged that is no picture"
