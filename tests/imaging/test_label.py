"""The label is what changed."""

import numpy as np
import pytest

from defectgen.imaging.label import Noise, changed, strength

NOISE = Noise(low=0.03, high=0.08)


def surface(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(90, 130, (side, side), np.uint8)


@pytest.mark.parametrize("side", [64, 180])
def test_a_planted_change_is_found_where_it_is(side: int) -> None:
    clean = surface(side)
    planted = np.zeros((side, side), bool)
    planted[side // 3 : side // 2, side // 4 : side // 2] = True
    drawn = np.where(planted, clean - 40, clean).astype(np.uint8)
    label = changed(clean, drawn, np.ones_like(planted), NOISE)
    assert (label & planted).sum() / (label | planted).sum() > 0.75


def test_nothing_outside_the_support_is_ever_labelled() -> None:
    clean = surface(64)
    support = np.zeros((64, 64), bool)
    support[:, :32] = True
    assert not (changed(clean, clean // 2, support, NOISE) & ~support).any()


def test_no_change_no_label() -> None:
    clean = surface(64)
    assert not changed(clean, clean, np.ones((64, 64), bool), NOISE).any()


def test_weak_change_counts_only_beside_a_strong_one() -> None:
    clean = np.full((64, 64), 100, np.uint8)
    weak = clean.copy()
    weak[10:30, 10:30] += 6  # 0.047: between low and high
    assert not changed(clean, weak, np.ones((64, 64), bool), NOISE).any()
    weak[15:20, 15:20] += 30
    assert changed(clean, weak, np.ones((64, 64), bool), NOISE)[12, 28]


def test_specks_are_dropped() -> None:
    clean = np.full((64, 64), 100, np.uint8)
    drawn = clean.copy()
    drawn[30, 30] = 160
    assert not changed(clean, drawn, np.ones((64, 64), bool), NOISE).any()


def test_noise_is_what_good_repaints_change() -> None:
    rng = np.random.default_rng(0)
    noise = Noise.measure([np.abs(rng.normal(0, 0.05, 1000)).astype(np.float32) for _ in range(8)])
    assert noise.low < noise.high
    assert noise.high == pytest.approx(0.05 * 1.645, rel=0.05)  # 90 % of a half-normal
    assert Noise.measure([np.zeros(10, np.float32)]).high > 0  # a perfect repaint does not make every pixel a defect


def test_strength_is_measured_in_units_of_the_picture_range() -> None:
    black, white = np.zeros((64, 64, 3), np.uint16), np.full((64, 64, 3), 65535, np.uint16)
    assert strength(black, white) == pytest.approx(2.0)
