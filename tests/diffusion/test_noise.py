"""Noise levels: strictly ordered, exact, and those of the papers."""

import math

import pytest
import torch
from family import members

from defectgen.diffusion.noise import Cosine, Karras, Linear, Schedule

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
    drawn = schedule.draw(torch.linspace(0, 1, 101))
    assert drawn.dtype == torch.float64 and drawn.shape == (101,)
    assert (drawn.diff() > 0).all(), "even draws give even levels"
    torch.testing.assert_close(drawn[[0, -1]], torch.stack([lowest, highest]), rtol=1e-9, atol=0)
    assert drawn[0] >= 0.01 * (1 - 1e-9) and drawn[-1] <= 100 * (1 + 1e-9)


@named
def test_time_runs_evenly_on_the_schedules_own_clock(schedule: Schedule) -> None:
    sigma = schedule.sigma(torch.linspace(0, 1, 21, dtype=torch.float64))
    clock = schedule.clock(sigma)
    torch.testing.assert_close(schedule.level(clock), sigma, rtol=1e-10, atol=0)
    torch.testing.assert_close(clock.diff(), clock.diff().mean().expand(20), rtol=1e-9, atol=0)


@named
def test_within_another_a_schedule_keeps_its_clock_and_loses_the_levels_beyond(schedule: Schedule) -> None:
    cut = schedule.within(Karras(lowest=0.1, highest=10))
    assert cut.sigma(torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0.1, 10.0], rel=1e-6)
    middle = cut.clock(cut.sigma(torch.tensor([0.0, 0.5, 1.0]))).diff()
    torch.testing.assert_close(middle[0], middle[1])
    assert float(schedule.sigma(torch.zeros(1))) == pytest.approx(0.01), "the schedule itself is left as it was"
    wider = schedule.within(Karras(lowest=1e-5, highest=1e5))
    assert torch.equal(wider.trajectory(9), schedule.trajectory(9))


@pytest.mark.parametrize("schedule", members(Schedule))
@pytest.mark.parametrize(("lowest", "highest"), [(0, 100), (2, 1), (1, 1), (-1, 5)])
def test_levels_out_of_order_are_refused(schedule: type[Schedule], lowest: float, highest: float) -> None:
    with pytest.raises(ValueError, match="lowest < highest"):
        schedule(lowest=lowest, highest=highest)


@pytest.mark.parametrize("schedule", members(Schedule))
def test_a_schedule_runs_between_the_ends_it_is_given(schedule: type[Schedule]) -> None:
    sigma = schedule(lowest=0.02, highest=50).sigma(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(sigma, torch.tensor([0.02, 50.0], dtype=torch.float64), rtol=1e-9, atol=0)


def test_linear_is_the_limit_of_ddpms_discrete_betas() -> None:
    """abar = prod(1 - beta) of T betas from 0.1 / T to 20 / T approaches ours as 1 / T."""
    errors = []
    for count in (1000, 10000):
        betas = torch.linspace(0.1 / count, 20 / count, count, dtype=torch.float64)
        log_abar = torch.log1p(-betas).cumsum(0)[:: count // 10]
        time = (torch.arange(count, dtype=torch.float64)[:: count // 10] + 1) / count
        ours = -torch.log1p(Linear().level(time) ** 2)
        errors.append((log_abar - ours).abs().max())
    assert errors[0] < 0.08, "of a logarithm that falls to -10"
    assert errors[1] < errors[0] / 9


def test_linear_uncut_ends_at_ddpms_highest_level() -> None:
    assert float(Linear().level(torch.ones(1, dtype=torch.float64))) == pytest.approx(math.sqrt(math.expm1(10.05)))


def test_karras_walks_the_papers_levels() -> None:
    """Eq. 5, the lowest level included, then 0."""
    low, high, rho = 0.002, 80.0, 7.0
    expected = [(high ** (1 / rho) + i / 17 * (low ** (1 / rho) - high ** (1 / rho))) ** rho for i in range(18)]
    walked = Karras(rho, low, high).trajectory(18)
    torch.testing.assert_close(walked, torch.tensor([*expected, 0.0], dtype=torch.float64), rtol=1e-9, atol=0)


def test_karras_trains_on_log_normal_levels() -> None:
    drawn = (
        Karras(lowest=1e-6, highest=1e6, log_mean=-0.5, log_std=0.8)
        .draw(torch.rand(20000, generator=torch.Generator().manual_seed(0)))
        .log()
    )
    assert float(drawn.mean()) == pytest.approx(-0.5, abs=0.03) and float(drawn.std()) == pytest.approx(0.8, rel=0.03)
    quarters = (
        Karras(lowest=1e-6, highest=1e6, log_mean=-1.2, log_std=1.2).draw(torch.tensor([0.1587, 0.5, 0.8413])).log()
    )
    torch.testing.assert_close(quarters, torch.tensor([-2.4, -1.2, 0.0], dtype=torch.float64), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        (Linear, {"beta_min": 0}),
        (Linear, {"beta_min": 3, "beta_max": 2}),
        (Cosine, {"shift": 0}),
        (Cosine, {"shift": -1}),
        (Karras, {"rho": 0}),
        (Karras, {"log_std": 0}),
        (Karras, {"rho": math.inf}),
        (Karras, {"log_mean": 50}),
        (Karras, {"log_mean": math.nan}),
        (Linear, {"beta_max": math.inf}),
        (Cosine, {"shift": math.nan}),
        (Cosine, {"highest": math.inf}),
    ],
)
def test_settings_without_a_meaning_are_refused(schedule: type[Schedule], arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need"):
        schedule(**arguments)


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
