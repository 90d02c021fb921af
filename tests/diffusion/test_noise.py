"""Noise levels: strictly ordered, exact, and those of the papers."""

import math

import pytest
import torch
from family import members

from defectgen.diffusion.noise import Cosine, Schedule

SCHEDULES: list[Schedule] = [*(schedule() for schedule in members(Schedule)), Cosine(shift=4.0)]
named = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)


@named
def test_levels_rise_strictly_in_float64(schedule: Schedule) -> None:
    sigma = schedule.sigma(torch.linspace(0, 1, 2001))
    assert sigma.dtype == torch.float64
    assert sigma[0] > 0 and sigma.isfinite().all()
    assert (sigma.diff() > 0).all()


@named
@pytest.mark.parametrize("steps", [1, 2, 20, 1000])
def test_trajectory_falls_strictly_from_the_highest_level_to_nothing(schedule: Schedule, steps: int) -> None:
    trajectory = schedule.trajectory(steps)
    assert trajectory.dtype == torch.float64 and trajectory.shape == (steps + 1,)
    assert (trajectory.diff() < 0).all()
    assert trajectory[0] == schedule.sigma(torch.ones(1))
    assert trajectory[-1] == 0 and trajectory[-2] > 0


@named
def test_trajectory_needs_a_step(schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        schedule.trajectory(0)


@named
def test_training_levels_stay_within_those_of_sampling(schedule: Schedule) -> None:
    lowest, highest = schedule.sigma(torch.tensor([0.0, 1.0]))
    drawn = schedule.draw(torch.linspace(0, 1, 101)[:-1])
    assert drawn.dtype == torch.float64 and drawn.shape == (100,)
    assert ((lowest <= drawn) & (drawn <= highest)).all()
    assert (drawn.diff() > 0).all(), "even draws give even levels"
    assert drawn[0] < 2 * lowest and drawn[-1] > highest / 10, "and reach from one end to the other"


def test_cosine_is_that_of_nichol_and_dhariwal() -> None:
    """abar = cos^2(pi t / 2) at the time the narrowed range stands for."""
    time = torch.linspace(0, 1, 11, dtype=torch.float64)
    first, last = (math.atan(level) / (math.pi / 2) for level in (0.01, 100))
    abar = torch.cos((first + time * (last - first)) * math.pi / 2) ** 2
    torch.testing.assert_close(1 / (1 + Cosine().sigma(time) ** 2), abar, rtol=1e-12, atol=0)


def test_cosine_runs_between_its_ends_and_is_even_in_time() -> None:
    sigma = Cosine(lowest=0.02, highest=50).sigma(torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(sigma, torch.tensor([0.02, 1.0, 50.0], dtype=torch.float64), rtol=1e-12, atol=0)


def test_cosine_is_walked_evenly_in_time() -> None:
    time = torch.tensor([1, 2 / 3, 1 / 3], dtype=torch.float64)
    torch.testing.assert_close(Cosine().trajectory(3)[:-1], Cosine().sigma(time), rtol=1e-12, atol=0)


def test_shift_multiplies_every_level() -> None:
    time = torch.linspace(0, 1, 11)
    plain, shifted = Cosine(1.0, 0.01, 100), Cosine(4.0, 0.04, 400)
    torch.testing.assert_close(shifted.sigma(time), 4 * plain.sigma(time), rtol=1e-12, atol=0)


def test_shift_moves_training_to_higher_levels_between_the_same_ends() -> None:
    time = torch.linspace(0, 1, 11)
    plain, shifted = Cosine().sigma(time), Cosine(4.0).sigma(time)
    torch.testing.assert_close(shifted[[0, -1]], plain[[0, -1]], rtol=1e-12, atol=0)
    assert (shifted[1:-1] > 3.5 * plain[1:-1]).sum() >= 5


@pytest.mark.parametrize("arguments", [(1, 0, 100), (1, 2, 1), (1, 1, 1), (0, 0.01, 100), (-1, 0.01, 100)])
def test_cosine_refuses_levels_out_of_order(arguments: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="lowest < highest"):
        Cosine(*arguments)
