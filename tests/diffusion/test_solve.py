"""Solvers against exact denoisers, DDPM's own formulas and a transcription of EDM's algorithm."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from family import members
from oracles import Gaussian, Odd, condition, randn
from torch import Tensor

from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.noise import Cosine, Karras, Schedule
from defectgen.diffusion.sample import KnownNothing, looking, sample, seeded
from defectgen.diffusion.solve import DDIM, DDPM, Churn, DPMSolver2M, Estimate, Euler, Heun, Randn, Solver

MEAN, STD = -0.4, 0.5
BLANK = torch.zeros(4, 1, 64, 64)
FREE = condition(BLANK)
# With the number of steps from which each is right, for pixels of spread 0.5, on every schedule.
ENOUGH: list[tuple[Solver, int]] = [
    (DDPM(), 200),
    (DDPM(large=1), 100),
    (DDIM(), 100),
    (DDIM(eta=0.5), 150),
    (DDIM(eta=1), 200),
    (Euler(), 100),
    (Euler(Churn(0.01, 0.05, 50)), 150),
    (Heun(), 30),
    (Heun(Churn(0.2, 0.05, 50)), 40),
    (DPMSolver2M(), 30),
]
DETERMINISTIC = [DDIM(), Euler(), Heun(), DPMSolver2M()]
named = pytest.mark.parametrize("solver", DETERMINISTIC, ids=lambda solver: type(solver).__name__)


def level(sigma: float) -> Tensor:
    return torch.tensor(sigma, dtype=torch.float64)


def ones() -> Tensor:
    return torch.ones_like(BLANK)


def refuse() -> Tensor:
    raise AssertionError("a deterministic step asked for noise")


def step(
    solver: Solver,
    denoise: Denoise,
    x: Tensor,
    sigma: float,
    to: float,
    noise: Randn = refuse,
    last: Estimate | None = None,
) -> Tensor:
    look = looking(denoise, FREE, KnownNothing(), noise)
    stepped, _ = solver.step(look, x, level(sigma), level(to), noise, last)
    return stepped


def drawn(solver: Solver, trajectory: Tensor) -> Tensor:
    """16,384 pixels from the exact denoiser of N(MEAN, STD^2)."""
    noise = seeded(range(4), (1, 64, 64))
    return sample(Gaussian(MEAN, STD), solver, trajectory, trajectory[0].float() * noise(), FREE, noise)


def missing(solver: Solver, trajectory: Tensor) -> float:
    """What a pixel one standard deviation off lacks at the end: the exact path shrinks it by sqrt(std^2 + sigma^2)."""
    x = torch.full((1, 1, 1, 1), MEAN + math.sqrt(STD**2 + float(trajectory[0]) ** 2), dtype=torch.float64)
    end = sample(Gaussian(MEAN, STD), solver, trajectory, x, condition(x), refuse)
    return abs(float(end) - (MEAN + STD))


def test_every_solver_is_among_those_tried() -> None:
    assert {type(solver) for solver, _ in ENOUGH} == set(members(Solver))


@pytest.mark.parametrize("schedule", members(Schedule))
@pytest.mark.parametrize(("solver", "steps"), ENOUGH, ids=lambda value: getattr(type(value), "__name__", value))
def test_every_solver_reproduces_a_gaussian_on_every_schedule(
    solver: Solver, steps: int, schedule: type[Schedule]
) -> None:
    """Mean and spread within 5 % of the spread."""
    x = drawn(solver, schedule().trajectory(steps))
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.05 * STD)
    assert float(x.std()) == pytest.approx(STD, rel=0.05)


@pytest.mark.parametrize(("solver", "order"), [(DDIM(), 1), (Euler(), 1), (Heun(), 2), (DPMSolver2M(), 2)])
def test_order_of_convergence(solver: Solver, order: int) -> None:
    """Twice the steps divide what is missing by 2^order."""
    errors = [missing(solver, Karras(lowest=0.001).trajectory(steps)) for steps in (100, 200, 400)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


def test_fine_grain_survives_20_calls_where_levels_crowd_at_the_low_end() -> None:
    """Surfaces have grain of a twentieth of the range; DDIM on the cosine's own levels flattens half of it."""
    grain = Gaussian(0, 0.05)
    kept = []
    for solver, schedule in ((DPMSolver2M(), Karras()), (DDIM(), Cosine())):
        noise, trajectory = seeded(range(4), (1, 64, 64)), schedule.trajectory(20)
        x = sample(grain, solver, trajectory, trajectory[0].float() * noise(), FREE, refuse)
        kept.append(float(x.std()) / 0.05)
    assert kept[0] == pytest.approx(1, abs=0.03) and kept[1] < 0.5


@named
def test_deterministic_solvers_draw_no_noise_and_give_the_same_twice(solver: Solver) -> None:
    first, second = (step(solver, Odd(), randn(4, 1, 64, 64), 5.0, 2.0) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("solver", [solver for solver, _ in ENOUGH if solver.__dict__.get("churn", Churn()) == Churn()])
def test_step_down_to_nothing_is_the_estimate(solver: Solver) -> None:
    x, last = randn(4, 1, 64, 64), Estimate(randn(4, 1, 64, 64, seed=3), level(2.0))
    estimate = Odd()(x, level(1.0).expand(4), FREE)
    torch.testing.assert_close(step(solver, Odd(), x, 1.0, 0.0, last=last), estimate)


@pytest.mark.parametrize(("sigma", "to"), [(10.0, 4.0), (2.0, 1.9), (0.5, 0.01)])
@pytest.mark.parametrize(
    ("solver", "variance"),
    [
        (DDPM(), lambda beta, abar_t, abar_s: (1 - abar_s) / (1 - abar_t) * beta),
        (DDIM(eta=1), lambda beta, abar_t, abar_s: (1 - abar_s) / (1 - abar_t) * beta),
        (DDPM(large=1), lambda beta, abar_t, abar_s: beta),
        (DDPM(large=0.5), lambda beta, abar_t, abar_s: beta * math.sqrt((1 - abar_s) / (1 - abar_t))),
    ],
    ids=["DDPM small", "DDIM eta 1", "DDPM large", "DDPM between"],
)
def test_ancestral_steps_are_ddpms_posterior(
    solver: Solver, variance: Callable[[float, float, float], float], sigma: float, to: float
) -> None:
    """q(z_s | z_t, x0) in variance-preserving coordinates z = sqrt(abar) x (Ho et al. 2020, eq. 6 and 7)."""
    abar_t, abar_s = 1 / (1 + sigma**2), 1 / (1 + to**2)
    alpha, x = abar_t / abar_s, 3 * randn(4, 1, 64, 64).double()
    x0, z_t = Odd()(x, level(sigma).expand(4), FREE), math.sqrt(abar_t) * x
    mean = (math.sqrt(abar_s) * (1 - alpha) * x0 + math.sqrt(alpha) * (1 - abar_s) * z_t) / (1 - abar_t)
    calm, noisy = (step(solver, Odd(), x, sigma, to, noise) for noise in (lambda: BLANK, ones))
    torch.testing.assert_close(math.sqrt(abar_s) * calm, mean)
    expected = math.sqrt(variance(1 - alpha, abar_t, abar_s)) * ones().double()
    torch.testing.assert_close(math.sqrt(abar_s) * (noisy - calm), expected)


@pytest.mark.parametrize("solver", [DDPM(), DDIM(0.0), DDIM(0.3), DDIM(1.0), Euler(Churn(0.4))])
def test_noise_keeps_its_level(solver: Solver) -> None:
    """With the picture known exactly, what is left above it has the level stepped to."""
    x = 2.0 * randn(4, 1, 64, 64)
    stepped = step(solver, Gaussian(0, 0), x, 2.0, 1.0, seeded([7, 8, 9, 10], (1, 64, 64)))
    assert float(stepped.std()) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("correct", [False, True], ids=["Euler", "Heun"])
def test_churned_steps_are_edms_algorithm_2(correct: bool) -> None:
    """Karras et al. 2022, algorithm 2, line by line, for 18 steps with S_churn 2, S_noise 1.003."""
    levels, churn, low, high, extra = Karras().trajectory(18), 2.0, 0.05, 50.0, 1.003
    denoise, first = Odd(), 0.1 * randn(4, 1, 64, 64).double()
    drawn = [seeded(range(4), (1, 64, 64))().double() for _ in range(18)]
    noise, again = (iter(drawn).__next__ for _ in range(2))
    x = first * levels[0]
    for here, there in pairwise(levels):
        gamma = min(churn / 18, math.sqrt(2) - 1) if low <= here <= high else 0
        raised = here + gamma * here
        if gamma > 0:
            x = x + (raised**2 - here**2).sqrt() * extra * again()
        slope = (x - denoise(x, raised.expand(4), FREE)) / raised
        ahead = x + (there - raised) * slope
        if correct and there != 0:
            second = (ahead - denoise(ahead, there.expand(4), FREE)) / there
            ahead = x + (there - raised) * (slope + second) / 2
        x = ahead
    solver = (Heun if correct else Euler)(Churn(churn / 18, low, high, extra))
    ours = sample(Odd(), solver, levels, first * levels[0], FREE, noise)
    torch.testing.assert_close(ours, x, rtol=1e-6, atol=1e-6)


def test_euler_without_churn_is_ddim() -> None:
    x = 2.0 * randn(4, 1, 64, 64)
    assert torch.equal(step(Euler(), Odd(), x, 2.0, 1.0), step(DDIM(), Odd(), x, 2.0, 1.0))


def test_heun_looks_twice_but_once_at_the_end_and_2m_once() -> None:
    for solver, calls in ((Heun(), 39), (DPMSolver2M(), 20), (DDIM(), 20)):
        denoise, trajectory = Odd(), Karras().trajectory(20)
        sample(denoise, solver, trajectory, BLANK, FREE, refuse)
        assert len(denoise.calls) == calls


def test_2m_without_a_last_estimate_is_ddim_and_with_one_carries_it_on() -> None:
    """From levels 4 to 2 to 1 all halvings are equal: D + (D - D_last) / 2."""
    x, before = randn(4, 1, 64, 64), randn(4, 1, 64, 64, seed=1)
    plain = step(DDIM(), Odd(), x, 2.0, 1.0)
    assert torch.equal(step(DPMSolver2M(), Odd(), x, 2.0, 1.0), plain)
    x0 = Odd()(x, level(2.0).expand(4), FREE)
    carried = x0 + (x0 - before) / 2
    stepped = step(DPMSolver2M(), Odd(), x, 2.0, 1.0, last=Estimate(before, level(4.0)))
    torch.testing.assert_close(stepped, carried + (x - carried) / 2)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DDIM(-0.1), r"\[0, 1\]"),
        (lambda: DDIM(1.1), r"\[0, 1\]"),
        (lambda: DDPM(-0.1), r"\[0, 1\]"),
        (lambda: DDPM(2), r"\[0, 1\]"),
        (lambda: Churn(-0.1), "sqrt"),
        (lambda: Churn(0.5), "sqrt"),
        (lambda: Churn(0.1, lowest=3, highest=2), "lowest < highest"),
        (lambda: Churn(0.1, noise=float("nan")), "noise"),
    ],
)
def test_settings_without_a_meaning_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
