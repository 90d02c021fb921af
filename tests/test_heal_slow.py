"""Healed held-out defects, shown to a critic: neither it nor the inpainter was trained on the parts that show them.

It calls good what it holds for good surface rather than for a defect, both as likely beforehand. To be likelier than
each class alone is another, stricter question, which a quarter of clean held-out surface fails.
"""

from itertools import islice

import numpy as np
import pandas as pd
import pytest
from drawn_products import BATCH, DATA, PRODUCTS, SEED, control_jobs, painter_of

from defectgen.healed import defects_in_turn, heal_pictures
from defectgen.imaging.files import Pixels, to_float, write_image
from defectgen.imaging.sheet import outlined, sheet, to_rgb
from defectgen.imaging.square import shrink
from defectgen.job import Job
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import load_critic
from defectgen.manifest import GOOD, Manifest
from defectgen.markdown import tabulated
from defectgen.source import Source
from defectgen.stages.heal import heal

LEAST = 0.8  # share of the healed defects that should be called good
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


@pytest.fixture(scope="module", params=PRODUCTS)
def called(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Class of each held-out defect, and whether the critic calls its square good before and after it is healed."""
    name = request.param
    if not all((DATA / "train" / name / network / CHECKPOINT).is_dir() for network in ("inpaint", "critic")):
        pytest.skip(f"no trained networks of {name} in {DATA}")
    source = Source(Manifest.load(DATA / "ingest" / name))
    critic = load_critic(DATA / "train" / name / "critic" / CHECKPOINT)
    size = critic.spec.size
    jobs, squares = healed_squares(name, source)
    clean = [job.clean for job in islice(control_jobs(name, source, size), CLEAN)]
    assert not {job.group for job in jobs} & critic.folds.keys(), "parts that a member was trained on"

    def judged(shown: list[Pixels], when: str) -> pd.DataFrame:
        said = critic.predict(np.stack([to_float(shrink(pixels, size)) for pixels in shown]))
        number = critic.spec.number(GOOD)
        likelier = said[:, number] > 1 / len(critic.spec.classes)  # the critic was shown all classes equally often
        return pd.DataFrame({when: likelier, f"{when} than each": said.argmax(axis=1) == number})

    table = pd.DataFrame({"class": [job.row["label"] for job in jobs]})
    table = table.join(judged([job.clean for job in jobs], "before")).join(judged(squares, "after"))
    print(f"\n\n## {name}\n\n{told(table, judged(clean, 'clean'))}\n")
    show(name, jobs, squares)
    return table


def test_defects_become_good_by_healing_and_hardly_any_good_square_becomes_a_defect(called: pd.DataFrame) -> None:
    became, was = called["after"] & ~called["before"], called["before"] & ~called["after"]
    assert became.sum() > 2 * was.sum()


def test_most_healed_held_out_defects_are_called_good(called: pd.DataFrame) -> None:
    assert called["after"].mean() >= LEAST


def told(called: pd.DataFrame, clean: pd.DataFrame) -> str:
    """The table: shares called good by class, as likelier than any defect and, in brackets, than each class alone."""

    def share(mine: pd.DataFrame, column: str) -> str:
        return f"{mine[column].mean():.2f} ({mine[f'{column} than each'].mean():.2f})"

    lines = [
        [str(label), str(len(mine)), share(mine, "before"), share(mine, "after")]
        for label, mine in pd.concat([called, called.assign(**{"class": "all"})]).groupby("class", sort=False)
    ]
    lines.append(["clean surface", str(len(clean)), share(clean, "clean"), "–"])
    return tabulated(["", "n", "called good as it is", "called good healed"], lines)


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
