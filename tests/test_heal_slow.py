"""Healed held-out defects, shown to critics: neither they nor the inpainter were trained on the parts that show them.

The step `heal` keeps what one of the product's critics calls good. Whether it is, is said by another training of the
critics, which had no part in that choice. Run by hand where a product's networks and patches are there; prints a table,
and writes the other critics and sheets into data/heal_slow. 10 minutes of one quiet core the first time:

    .venv/bin/python -m pytest -m slow -s tests/test_heal_slow.py
"""

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from drawn_products import BATCH, DATA, PRODUCTS, SEED, control_jobs, painter_of
from numpy.typing import NDArray

from defectgen.healed import defects_in_turn, heal_pictures
from defectgen.imaging.files import Pixels, to_float, write_image
from defectgen.imaging.sheet import outlined, sheet, to_rgb
from defectgen.imaging.square import shrink
from defectgen.job import Job
from defectgen.learn.checkpoint import CHECKPOINT, CONFIG
from defectgen.learn.critic import CrossFitted, load_critic
from defectgen.manifest import Manifest
from defectgen.markdown import tabulated
from defectgen.source import Source
from defectgen.stages.critic import critic as train_critic
from defectgen.stages.heal import heal

LEAST = 0.8  # share of the healed defects that should be called good
OTHER_SEED = 1  # of the critics that had no part in the choice
CLEAN = 96  # squares of clean held-out pictures where defects might be planned: the ceiling
SHOWN = 12  # defects of a class on the sheet

pytestmark = pytest.mark.slow


def healed_squares(name: str, source: Source) -> tuple[list[Job], list[Pixels]]:
    """All defects of the split val, and their squares on the healed pictures."""
    painter = painter_of(name, heal)
    defects = defects_in_turn(source, "val", SEED).assign(batch=BATCH)
    pictures = heal_pictures(source, painter, defects)
    jobs = [Job.healing(source, row, painter.spec.size) for _, row in defects.iterrows()]
    return jobs, [job.square.cut(pictures[job.row["image_id"]]) for job in jobs]


def other_critic(name: str) -> CrossFitted:
    """Another training of the product's critic; made where it is not there yet."""
    folder = DATA / "heal_slow" / name / "critic"
    if not (folder / CHECKPOINT / CONFIG).is_file():
        train_critic(folder, DATA / "patch" / name, OTHER_SEED)
    return load_critic(folder / CHECKPOINT)


@pytest.fixture(scope="module", params=PRODUCTS)
def called(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Class of each held-out defect, whether it is kept, and whether it is called good before and after healing."""
    name = request.param
    needed = [DATA / "train" / name / network / CHECKPOINT for network in ("inpaint", "critic")]
    if not all(folder.is_dir() for folder in [*needed, DATA / "patch" / name]):
        pytest.skip(f"no trained networks or no patches of {name} in {DATA}")
    source = Source(Manifest.load(DATA / "ingest" / name))
    chooses, says = load_critic(needed[1]), other_critic(name)
    chooses = replace(chooses, members=chooses.members[:1])  # as `heal` asks one, which does not know the part
    jobs, squares = healed_squares(name, source)
    groups, size = [job.group for job in jobs], says.spec.size
    assert not set(groups) & (chooses.folds.keys() | says.folds.keys()), "parts that a member was trained on"

    def small(shown: list[Pixels]) -> NDArray[np.float32]:
        return np.stack([to_float(shrink(pixels, size)) for pixels in shown])

    healed = small(squares)
    table = pd.DataFrame(
        {
            "class": [job.row["label"] for job in jobs],
            "before": says.calls_good(small([job.clean for job in jobs])),
            "after": says.calls_good(healed),
            "kept": chooses.calls_good(healed),
        }
    )
    clean = says.calls_good(small([job.clean for job in islice(control_jobs(name, source, size), CLEAN)]))
    print(f"\n\n## {name}\n\n{told(table, clean)}\n")
    show(name, jobs, squares)
    return table


def test_defects_become_good_by_healing_and_hardly_any_good_square_becomes_a_defect(called: pd.DataFrame) -> None:
    became, was = called["after"] & ~called["before"], called["before"] & ~called["after"]
    assert became.sum() > 2 * was.sum()


def test_most_healed_held_out_defects_are_called_good(called: pd.DataFrame) -> None:
    assert called["after"].mean() >= LEAST


def test_most_of_those_that_are_kept_are_called_good(called: pd.DataFrame) -> None:
    assert called.loc[called["kept"], "after"].mean() >= LEAST


def told(called: pd.DataFrame, clean: NDArray[np.bool_]) -> str:
    """The table: shares called good by class."""
    lines = []
    for label, mine in pd.concat([called, called.assign(**{"class": "all"})]).groupby("class", sort=False):
        shares = [mine["before"], mine["after"], mine["kept"], mine.loc[mine["kept"], "after"]]
        lines.append([str(label), str(len(mine)), *(f"{share.mean():.2f}" for share in shares)])
    lines.append(["clean surface", str(len(clean)), f"{clean.mean():.2f}", "–", "–", "–"])
    header = ["", "n", "called good as it is", "called good healed", "kept", "called good, of those kept"]
    return tabulated(header, lines)


def show(name: str, jobs: list[Job], squares: list[Pixels]) -> None:
    """A sheet, defective above healed."""
    rows, names = [], []
    for label in sorted({job.row["label"] for job in jobs}):
        mine = [number for number, job in enumerate(jobs) if job.row["label"] == label][:SHOWN]
        rows.append([outlined(jobs[number].clean, jobs[number].shape) for number in mine])
        rows.append([to_rgb(squares[number]) for number in mine])
        names += [label, "healed"]
    path = DATA / "heal_slow" / f"{name}.png"
    write_image(path, sheet(rows, names))
    print(f"look at {path}")
