"""Samplers against exact denoisers and DDPM's own formulas; known pixels; one seed, one picture."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from family import members
from oracles import SPEC, Gaussian, Odd, condition, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise, Denoiser, V
from defectgen.diffusion.guide import ClassifierFree, Clip, Guide, guided
from defectgen.diffusion.noise import Cosine, Schedule
from defectgen.diffusion.sample import DDIM, KnownClean, Randn, Solver, sample, seeded
from defectgen.nn.unet import UNet

MEAN, STD = -0.4, 0.5
LEVELS = torch.tensor([5.0, 2.0, 3.0, 1.0, 0.3, 1.5, 0.1, 0.0], dtype=torch.float64)  # down, and up twice
BLANK = torch.zeros(4, 1, 64, 64)
FREE = condition(BLANK)


class Restart(Solver):
    """Answers zero and keeps what it was given, so that what a step up adds stands alone."""

    def __init__(self) -> None:
        self.given: list[tuple[Tensor, float, float]] = []

    def step(self, denoise: Denoise, x: Tensor, sigma: Tensor, to: Tensor, cond: Condition, randn: Randn) -> Tensor:
        self.given.append((x, float(sigma), float(to)))
        return torch.zeros_like(x)


def ones() -> Tensor:
    return torch.ones_like(BLANK)


def refuse() -> Tensor:
    raise AssertionError("a deterministic step asked for noise")


def assert_gaussian(x: Tensor) -> None:
    """Mean and spread of 16,384 pixels within 5 % of the spread."""
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.05 * STD)
    assert float(x.std()) == pytest.approx(STD, rel=0.05)


@pytest.mark.parametrize("schedule", members(Schedule))
@pytest.mark.parametrize("solver", members(Solver))
def test_every_solver_reproduces_a_gaussian_on_every_schedule(solver: type[Solver], schedule: type[Schedule]) -> None:
    trajectory = schedule().trajectory(200)
    assert_gaussian(sample(Gaussian(MEAN, STD), solver(), trajectory, FREE, seeded(range(4), (1, 64, 64))))


@pytest.mark.parametrize(("eta", "steps"), [(0.0, 40), (0.5, 60), (1.0, 100)])
def test_ddim_reproduces_a_gaussian(eta: float, steps: int) -> None:
    trajectory = Cosine().trajectory(steps)
    assert_gaussian(sample(Gaussian(MEAN, STD), DDIM(eta), trajectory, FREE, seeded(range(4), (1, 64, 64))))


def test_ddim_error_is_of_first_order() -> None:
    """The exact path shrinks deviations by sqrt(std^2 + sigma^2); twice the steps halve what is missing."""

    def missing(steps: int) -> float:
        top, *_ = trajectory = Cosine().trajectory(steps)
        at_one_std = MEAN + math.sqrt(STD**2 + float(top) ** 2)
        drawn = sample(Gaussian(MEAN, STD), DDIM(), trajectory, FREE, lambda: torch.full((1,), at_one_std / float(top)))
        return abs(float(drawn) - (MEAN + STD))

    errors = [missing(steps) for steps in (25, 50, 100, 200)]
    assert errors[-1] < 0.01 * STD
    assert all(1.8 < coarse / fine < 2.2 for coarse, fine in pairwise(errors))


def test_ddim_without_eta_is_deterministic() -> None:
    x = randn(4, 1, 64, 64)
    sigma, to = LEVELS[0], LEVELS[1]
    first, second = (DDIM().step(Odd(), x, sigma, to, FREE, refuse) for _ in range(2))
    assert torch.equal(first, second)


def test_step_down_to_nothing_is_the_estimate_whatever_eta() -> None:
    x, sigma, to = randn(4, 1, 64, 64), LEVELS[3], LEVELS[-1]
    estimate = Odd()(x, sigma.expand(4), FREE)
    for eta in (0.0, 0.5, 1.0):
        torch.testing.assert_close(DDIM(eta).step(Odd(), x, sigma, to, FREE, refuse), estimate)


@pytest.mark.parametrize(("sigma", "to"), [(10.0, 4.0), (2.0, 1.9), (0.5, 0.01)])
def test_ddim_with_eta_1_is_ddpms_posterior(sigma: float, to: float) -> None:
    """q(z_s | z_t, x0) in variance-preserving coordinates z = sqrt(abar) x (Ho et al. 2020, eq. 6 and 7)."""
    abar_t, abar_s = 1 / (1 + sigma**2), 1 / (1 + to**2)
    alpha, x = abar_t / abar_s, 3 * randn(4, 1, 64, 64)
    high, low = (torch.tensor(level, dtype=torch.float64) for level in (sigma, to))
    x0, z_t = Odd()(x, high.expand(4), FREE), math.sqrt(abar_t) * x
    mean = math.sqrt(abar_s) * (1 - alpha) * x0 + math.sqrt(alpha) * (1 - abar_s) * z_t
    variance = (1 - abar_s) / (1 - abar_t) * (1 - alpha)
    calm, noisy = (DDIM(1).step(Odd(), x, high, low, FREE, noise) for noise in (lambda: BLANK, ones))
    torch.testing.assert_close(math.sqrt(abar_s) * calm, mean / (1 - abar_t), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(abar_s * (noisy - calm) ** 2, variance * ones(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_any_eta_keeps_the_noise_at_its_level(eta: float) -> None:
    """With the picture known exactly, what is left above it has the level stepped to."""
    x = 2.0 * randn(4, 1, 64, 64)
    fresh = seeded([7, 8, 9, 10], (1, 64, 64))
    stepped = DDIM(eta).step(Gaussian(0, 0), x, LEVELS[1], LEVELS[3], FREE, fresh)
    assert float(stepped.std()) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_ddim_refuses_other_etas(eta: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        DDIM(eta)


def test_step_up_adds_exactly_the_missing_variance() -> None:
    solver = Restart()
    sample(Odd(), solver, LEVELS, FREE, ones)
    start, *after = solver.given
    assert torch.equal(start[0], torch.full_like(BLANK, 5.0))
    steps = [(sigma, to) for _, sigma, to in solver.given]
    assert steps == [(5, 2), (3, 1), (1, 0.3), (1.5, 0.1), (0.1, 0)], "the solver is asked for steps down only"
    expected = [math.sqrt(3**2 - 2**2), 0, math.sqrt(1.5**2 - 0.3**2), 0]
    for (x, *_), missing in zip(after, expected, strict=True):
        torch.testing.assert_close(x, torch.full_like(BLANK, missing))


def test_steps_up_leave_the_distribution_as_it_is() -> None:
    levels = Cosine().trajectory(120)
    pairs = [torch.stack([high, low, high]) for high, low in pairwise(levels[:-1])]
    trajectory = torch.cat([*pairs, levels[-2:]])
    assert (trajectory.diff() > 0).sum() == 119
    assert_gaussian(sample(Gaussian(MEAN, STD), DDIM(1), trajectory, FREE, seeded(range(4), (1, 64, 64))))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    "guides",
    [[], [Clip()], [ClassifierFree(3)], [ClassifierFree(3), Clip()], [Clip(), ClassifierFree(3)]],
    ids=lambda guides: "+".join(type(guide).__name__ for guide in guides) or "plain",
)
@pytest.mark.parametrize("trajectory", [LEVELS, Cosine().trajectory(3)], ids=["resampled", "straight"])
def test_known_pixels_are_bit_identical_at_every_step(guides: list[Guide], eta: float, trajectory: Tensor) -> None:
    picture, region = randn(2, 3, 8, 8, seed=5).clamp(-0.9, 0.9), square_region(2, 8, 3)
    denoise, cond = Odd(), condition(picture, region)
    drawn = sample(
        guided(denoise, guides),
        DDIM(eta),
        trajectory,
        cond,
        seeded([3, 4], (3, 8, 8)),
        KnownClean(picture, region),
    )
    known = (region == 0).expand_as(picture)
    assert torch.equal(drawn[known], picture[known])
    assert (drawn[~known] != picture[~known]).all()
    for x, _, _ in denoise.calls:
        assert torch.equal(x[:2][known], picture[known]), "the denoiser sees them clean, from the first call on"


def test_without_known_everything_is_drawn() -> None:
    picture = randn(2, 1, 8, 8)
    drawn = sample(Odd(), DDIM(), LEVELS, condition(picture, square_region(2, 8, 3)), seeded([1, 2], (1, 8, 8)))
    assert (drawn != picture).all()


def draw(seeds: Sequence[int], labels: Sequence[int], denoise: Denoise) -> Tensor:
    picture, region = torch.zeros(len(seeds), 1, 8, 8), square_region(len(seeds), 8, 4)
    cond = Condition(picture, region, torch.tensor(labels), dropped=3)
    known = KnownClean(picture, region)
    return sample(denoise, DDIM(1), LEVELS, cond, seeded(seeds, (1, 8, 8)), known)


def test_a_sample_depends_neither_on_its_batch_mates_nor_on_their_order() -> None:
    together = draw([11, 12, 13], [0, 1, 2], Odd())
    assert torch.equal(draw([13, 11, 12], [2, 0, 1], Odd()), together[[2, 0, 1]])
    assert torch.equal(draw([12], [1], Odd()), together[1:2])
    assert torch.equal(draw([99, 12, 7], [0, 1, 2], Odd())[1], together[1])
    assert not torch.allclose(draw([11, 12, 14], [0, 1, 2], Odd())[2], together[2])


def test_a_networks_sample_does_not_depend_on_its_batch_mates() -> None:
    torch.manual_seed(0)
    network = UNet(SPEC, width=8, multipliers=(1,), patch_size=1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    denoiser = Denoiser(network, V())
    together = draw([11, 12, 13], [0, 1, 2], denoiser)
    torch.testing.assert_close(draw([99, 11, 12], [2, 0, 1], denoiser)[1:], together[:2])
    assert not together.requires_grad


def test_seeded_noise_is_standard_normal_fresh_and_repeatable() -> None:
    source, again = (seeded([5, 6], (3, 64, 64)) for _ in range(2))
    torch.manual_seed(1)
    first, second = source(), source()
    torch.manual_seed(2)
    assert torch.equal(again(), first) and torch.equal(again(), second), "no global state"
    draws = torch.cat([first, second])
    assert first.shape == (2, 3, 64, 64)
    assert float(draws.mean()) == pytest.approx(0, abs=0.02) and float(draws.std()) == pytest.approx(1, abs=0.02)
    correlation = torch.corrcoef(draws.flatten(1)) - torch.eye(4)
    assert correlation.abs().max() < 0.05, "neither samples nor draws repeat"
