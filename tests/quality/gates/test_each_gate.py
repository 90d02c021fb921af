"""Every gate rejects a case that is bad in its way, and in no other way that it can see, and passes a good one."""

from dataclasses import replace

import numpy as np
import pytest
from cases import SIDE, Knowing, control, defect, ellipse, evidence, lighter, surface

from defectgen.imaging.region import grow
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import (
    Agreement,
    Calibration,
    Contrast,
    Evidence,
    Extent,
    Filled,
    Gate,
    Legal,
    Seam,
    Spilled,
    calibrate,
)

GOOD = defect(77)
HALF = np.indices((SIDE, SIDE))[1] < 48
GATES: dict[Gate, Drawn] = {
    Filled(): replace(GOOD, visible=GOOD.visible / 6),
    Spilled(): replace(GOOD, label=ellipse(30, 15)),
    Contrast(): defect(77, 12),
    Seam(): replace(GOOD, result=lighter(GOOD.result, GOOD.support, 5)),
    Extent(): defect(77, shape=ellipse(36, 18)),
    Legal(): replace(GOOD, legal=HALF),
    Agreement(): replace(GOOD, label_name="crack"),
}


@pytest.fixture(scope="module")
def known() -> Evidence:
    return evidence()


@pytest.fixture(scope="module")
def calibration(known: Evidence) -> Calibration:
    return calibrate(list(GATES), known)


@pytest.mark.parametrize(("gate", "bad"), GATES.items(), ids=[gate.reason for gate in GATES])
def test_rejects_its_bad_case(calibration: Calibration, gate: Gate, bad: Drawn) -> None:
    assert gate.reason in calibration.judge(bad)[1]


def test_every_gate_passes_the_good_case(calibration: Calibration) -> None:
    scores, reasons = calibration.judge(GOOD)
    assert not reasons
    assert set(scores) == {gate.reason for gate in GATES}


def test_an_early_judgement_asks_no_gate_that_needs_detail(calibration: Calibration) -> None:
    scores, _ = calibration.judge(GOOD, early=True)
    assert set(scores) == {gate.reason for gate in GATES} - {"contrast", "seam"}


@pytest.mark.parametrize("gate", GATES, ids=[gate.reason for gate in GATES])
def test_nothing_drawn_has_a_score_too(calibration: Calibration, gate: Gate) -> None:
    nothing = replace(GOOD, result=GOOD.clean, label=np.zeros_like(GOOD.label), support=np.zeros_like(GOOD.support))
    assert not np.isnan(calibration.judge(nothing)[0][gate.reason])


def test_filled_asks_the_worst_component_and_forgets_specks() -> None:
    one, other, speck = ellipse(8, 8, 25, 25), ellipse(8, 8, 70, 70), ellipse(1, 1, 70, 20)
    shape = one | other | speck
    assert Filled().score(defect(shape=shape, label=one)) == 0
    assert Filled().score(defect(shape=shape, label=one | other)) == 3
    assert Filled().score(defect(shape=speck | ellipse(1, 1, 20, 70), label=speck)) == pytest.approx(3 * 0.5**0.5)


def test_filled_rejects_what_good_repaints_reach_although_real_ones_do_not() -> None:
    """Real defects of which little shows must not open the gate to places where nothing was drawn."""
    faint = [defect(seed, label=ellipse(4, 2)) for seed in range(20)]
    calibrated = calibrate([Filled()], evidence(faint))
    assert calibrated.judge(control(3))[1] == ["filled"]
    assert calibrated.limit("filled", "pit") > Filled().score(control(3))


def test_spilled_counts_a_pixel_about_the_shape_as_the_shape() -> None:
    assert Spilled().score(replace(GOOD, label=grow(GOOD.shape, 1.5))) == 1
    assert Spilled().score(replace(GOOD, label=~GOOD.shape & ~grow(GOOD.shape, 2))) == 0


@pytest.mark.parametrize("depth", [10, 90])
def test_contrast_is_two_sided(calibration: Calibration, depth: float) -> None:
    assert "contrast" in calibration.judge(defect(77, depth))[1]


def test_contrast_sees_roughness_of_the_same_brightness(calibration: Calibration) -> None:
    noise = np.random.default_rng(0).normal(0, 25, (SIDE, SIDE))
    rough = replace(GOOD, result=np.where(GOOD.label, GOOD.result + noise, GOOD.result).clip(0, 255).astype(np.uint8))
    assert "contrast" in calibration.judge(rough)[1]


@pytest.mark.parametrize("colour", [False, True])
def test_seam_finds_a_step_and_lost_grain_but_nothing_on_untouched_surface(known: Evidence, colour: bool) -> None:
    seen = Seam()
    seen.prepare(known)
    limit = calibrate([Seam()], known).limit("seam", "pit")

    def score(seed: int, levels: float) -> float:
        place = control(seed)
        result = lighter(surface(seed), place.support, levels)
        return seen.score(replace(place, result=np.dstack([result] * 3) if colour else result))

    found = [score(seed, 5) < limit for seed in range(500, 520)]
    passed = [score(seed, 0) >= limit for seed in range(500, 520)]
    assert np.mean(found) >= 0.8
    assert np.mean(passed) >= 0.8


def test_seam_looks_at_nothing_beside_the_picture(known: Evidence) -> None:
    """The square is mirrored there: what is drawn breaks off at the picture's border."""
    seen = Seam()
    seen.prepare(known)
    picture = np.indices((SIDE, SIDE))[1] < 55
    cut = replace(GOOD, legal=picture, support=GOOD.support & picture)
    assert seen.score(cut) == seen.score(replace(cut, result=np.where(picture, cut.result, 255).astype(np.uint8)))


@pytest.mark.parametrize("axis", [0, 1])
def test_seam_finds_no_edge_where_the_legal_region_is_one_pixel_wide(axis: int) -> None:
    seen = Seam()
    seen.prepare(evidence(controls=2))
    assert np.isfinite(seen.score(replace(GOOD, legal=np.indices((SIDE, SIDE))[axis] == 48)))


def test_extent_knows_size_and_aspect_but_no_direction(calibration: Calibration) -> None:
    assert "extent" in calibration.judge(defect(77, shape=ellipse(26, 6)))[1]
    assert "extent" in calibration.judge(defect(77, shape=ellipse(5, 3)))[1]
    assert "extent" not in calibration.judge(defect(77, shape=np.rot90(ellipse())))[1]


def test_legal_is_the_share_on_the_part() -> None:
    assert Legal().score(GOOD) == 1
    assert Legal().score(replace(GOOD, legal=~GOOD.label)) == 0


def test_agreement_asks_the_critic_that_has_not_seen_the_group(known: Evidence) -> None:
    gate = Agreement()
    gate.prepare(known)
    assert gate.score(GOOD) > 0.9
    assert gate.score(replace(GOOD, group="odd part")) == pytest.approx(0.01)
    assert Knowing().spec.number("pit") == 2
