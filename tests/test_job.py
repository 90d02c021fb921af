"""Jobs: squares of the picture in which shape, legal region and support agree, at a picture's border too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brightening import SHAPE, SPOTS, product
from small import disc

from defectgen.imaging.blend import blend_weight
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.square import shrink_mask
from defectgen.job import Job
from defectgen.source import Source

LEGAL = disc(150, 150, 170, SHAPE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, pd.DataFrame]:
    return product(tmp_path_factory.mktemp("product"), legal=LEGAL)


def healing_row(source: Source, name: str, seed: int) -> pd.Series:
    return pd.concat([source.instances.loc[f"donor-{name}"], pd.Series({"seed": seed})])


@pytest.mark.parametrize("name", SPOTS)
def test_a_planned_square_shows_what_the_picture_has_there_and_nothing_beside_it(
    made: tuple[Source, pd.DataFrame], name: str
) -> None:
    source, rows = made
    row = rows.set_index("plan_id", drop=False).loc[name]
    job, square = Job.planned(source, row, 64), SPOTS[name][0]
    place, inside = square.inside(SHAPE)
    picture, shape = source.pixels(row["clean_id"]), source.planned_shape(row)
    assert job.inside == inside and job.group == f"broken-{name}"
    assert job.clean.shape == (square.side, square.side) and (job.clean[inside] == picture[place]).all()
    for square_mask, whole in ((job.shape, shape), (job.legal, LEGAL)):
        assert (square_mask[inside] == whole[place]).all()
        assert square_mask.sum() == whole[place].sum() > 0
    region = grow(shrink_mask(square.cut(shape), 64), REACH)
    assert (job.region == region).all()
    assert (job.support[inside] == (blend_weight(region, square.side) > 0)[inside]).all()
    assert not (job.shape & ~job.support).any()
    assert job.patch.shape == (1, 64, 64) and job.large.shape == (1, 256, 256)


def test_what_is_reflected_beside_the_picture_is_shown_to_the_network_and_never_changed(
    made: tuple[Source, pd.DataFrame],
) -> None:
    source, rows = made
    job = Job.planned(source, rows.set_index("plan_id", drop=False).loc["corner"], 64)
    beside = np.ones(job.shape.shape, bool)
    beside[job.inside] = False
    assert beside.mean() > 0.3
    assert (job.clean[beside] > 0).all()
    assert not (beside & (job.shape | job.legal | job.support)).any()
    assert job.region[:10].any()  # it is painted there too, so that the defect does not end where the picture does


def test_without_a_legal_region_all_of_the_picture_is(tmp_path: Path) -> None:
    source, rows = product(tmp_path)
    job = Job.planned(source, rows.set_index("plan_id", drop=False).loc["corner"], 64)
    assert job.legal[job.inside].all() and job.legal.sum() == job.legal[job.inside].size < job.legal.size


@pytest.mark.parametrize("name", SPOTS)
def test_a_healing_square_holds_all_of_the_defect_and_the_support_covers_it(
    made: tuple[Source, pd.DataFrame], name: str
) -> None:
    """The disc in the corner is cut by the picture's edge."""
    source, _ = made
    mask = source.manifest.read_mask(source.instances.loc[f"donor-{name}"])
    for seed in range(5):
        job = Job.healing(source, healing_row(source, name, seed), 64)
        assert job.group == f"broken-{name}"
        assert job.shape.sum() == mask.sum()
        assert not (job.shape & ~job.support).any()
        assert (job.clean[job.shape] < 20).all()  # the donor's disc is dark
        assert (job.clean[job.inside][~job.shape[job.inside]] > 70).all()


def test_the_healing_square_follows_from_the_seed(made: tuple[Source, pd.DataFrame]) -> None:
    source, _ = made
    first, again, other = (Job.healing(source, healing_row(source, "large", seed), 64) for seed in (3, 3, 4))
    assert np.array_equal(first.clean, again.clean) and np.array_equal(first.region, again.region)
    assert not np.array_equal(first.clean, other.clean)


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_donated_patch_shows_the_donors_own_pixels_in_the_region_and_nothing_beside_it(
    made: tuple[Source, pd.DataFrame], name: str
) -> None:
    source, rows = made
    job = Job.planned(source, rows.set_index("plan_id", drop=False).loc[name], 64)
    assert job.shows == "pit"
    assert (job.donated == job.patch)[:, ~job.region].all()
    dark = (job.donated < job.patch - 0.3)[0]  # the donor's disc, and not the grain about it
    middle = shrink_mask(job.shape, 64) & ~grow(~shrink_mask(job.shape, 64), 2)
    assert dark[middle].all() and not dark[~grow(shrink_mask(job.shape, 64), 1)].any()


def test_the_example_of_good_surface_is_another_picture_than_the_one_to_be_healed(
    made: tuple[Source, pd.DataFrame],
) -> None:
    """Shown its own patch, a network that looks at examples would be handed the defect as good surface."""
    source, _ = made
    job = Job.healing(source, healing_row(source, "large", 3), 64)
    shown = job.asked("good", 0).reference
    assert shown.shape == (2, 64, 64) and not shown[-1].any(), "nothing is marked in it"
    assert not np.array_equal(shown[:-1], job.patch)
    defect = job.asked("pit", 1)
    assert np.array_equal(defect.reference[:-1], job.example[0]) and defect.reference[-1].any()
    assert "pit" in defect.text and job.asked("good", 0).text == "good surface"


def test_asked_for_another_class_than_the_donors_it_is_shown_a_defect_of_that_class(
    made: tuple[Source, pd.DataFrame],
) -> None:
    source, rows = made
    instances = source.manifest.instances
    labels = instances["label"].where(instances["instance_id"] != "donor-huge", "stain")
    both = Source(replace(source.manifest, instances=instances.assign(label=labels)))
    row = rows[rows["donor_id"] == "donor-small"].iloc[0].copy()
    row["label"] = "stain"
    job = Job.planned(both, row, 64)
    assert job.shows == "pit" and np.array_equal(job.asked("pit", 1).reference[:-1], job.example[0])
    stain = Job.healing(both, healing_row(both, "huge", row["seed"]), 64)
    shown = job.asked("stain", 2)
    assert "stain" in shown.text and np.array_equal(shown.reference[:-1], stain.example[0])
    assert not np.array_equal(shown.reference, job.asked("pit", 1).reference)
