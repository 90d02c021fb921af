"""The sampling loop: steps up, known pixels, RePaint against the exact conditional; one seed, one picture."""

import math
from collections.abc import Sequence
from itertools import pairwise, product

import pytest
import torch
from family import members
from oracles import SPEC, Correlated, Gaussian, Odd, Scripted, condition, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise, Denoiser, V
from defectgen.diffusion.guide import Classifier, ClassifierFree, Clip, Dynamic, Guide, guided
from defectgen.diffusion.likelihood import Likelihood
from defectgen.diffusion.noise import Cosine, Karras, Schedule
from defectgen.diffusion.sample import KnownClean, KnownNoised, KnownNothing, resampling, sample, seeded
from defectgen.diffusion.solve import DDIM, DDPM, Churn, Estimate, Euler, Heun, Look, Randn, Solver, Stepped
from defectgen.nn.unet import UNet

LEVELS = torch.tensor([5.0, 2.0, 3.0, 1.0, 0.3, 1.5, 0.1, 0.0], dtype=torch.float64)  # down, and up twice
BLANK = torch.zeros(4, 1, 64, 64)
FREE = condition(BLANK)


class Restart(Solver):
    """Answers zero and keeps what it was given, so that what a step up adds stands alone."""

    def __init__(self) -> None:
        self.given: list[tuple[Tensor, float, float, Estimate | None]] = []

    def step(self, look: Look, x: Tensor, sigma: Tensor, to: Tensor, randn: Randn, last: Estimate | None) -> Stepped:
        self.given.append((x, float(sigma), float(to), last))
        return torch.zeros_like(x), Estimate(x, sigma)


class Bright(Likelihood):
    """Some class is likelier the brighter the picture."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return torch.tanh(x).sum(dim=(1, 2, 3))


def ones() -> Tensor:
    return torch.ones_like(BLANK)


def test_step_up_adds_exactly_the_missing_variance() -> None:
    solver = Restart()
    sample(Odd(), solver, LEVELS, 5 * ones(), FREE, ones)
    start, *after = solver.given
    assert torch.equal(start[0], torch.full_like(BLANK, 5.0))
    steps = [(sigma, to) for _, sigma, to, _ in solver.given]
    assert steps == [(5, 2), (3, 1), (1, 0.3), (1.5, 0.1), (0.1, 0)], "the solver is asked for steps down only"
    expected = [math.sqrt(3**2 - 2**2), 0, math.sqrt(1.5**2 - 0.3**2), 0]
    for (x, *_), missing in zip(after, expected, strict=True):
        torch.testing.assert_close(x, torch.full_like(BLANK, missing))


def test_the_last_estimate_is_handed_on_and_forgotten_when_the_level_rises() -> None:
    solver = Restart()
    sample(Odd(), solver, LEVELS, 5 * ones(), FREE, ones)
    handed = [last and float(last.sigma) for *_, last in solver.given]
    assert handed == [None, None, 3, None, 1.5]


def test_steps_up_leave_the_distribution_as_it_is() -> None:
    levels, noise = Cosine().trajectory(120), seeded(range(4), (1, 64, 64))
    pairs = [torch.stack([high, low, high]) for high, low in pairwise(levels[:-1])]
    trajectory = torch.cat([*pairs, levels[-2:]])
    assert (trajectory.diff() > 0).sum() == 119
    x = sample(Gaussian(-0.4, 0.5), DDIM(1), trajectory, trajectory[0].float() * noise(), FREE, noise)
    assert float(x.mean()) == pytest.approx(-0.4, abs=0.025) and float(x.std()) == pytest.approx(0.5, rel=0.05)


def test_repeats_1_is_the_plain_trajectory() -> None:
    trajectory = Cosine().trajectory(50)
    assert torch.equal(resampling(trajectory, 10, 1), trajectory)


def test_repaints_own_setting_makes_2410_calls() -> None:
    """T = 250, jump length 10, 10 resamplings (Lugmayr et al. 2022, sec. 5.1 and app. B)."""
    denoise, picture = Odd(), torch.zeros(1, 1, 2, 2)
    trajectory = resampling(Cosine().trajectory(250), 10, 10)
    known = KnownNoised(picture, torch.ones_like(picture))
    sample(denoise, DDPM(), trajectory, picture, condition(picture), lambda: picture, known)
    assert len(denoise.calls) == 2410


def test_blocks_are_walked_from_the_lowest_level_up_and_the_rest_at_the_top_once() -> None:
    trajectory = torch.tensor([9, 8, 7, 6, 5, 4, 3, 0], dtype=torch.float64)
    assert resampling(trajectory, 4, 2).tolist() == [9, 8, 7, 6, 5, 4, 3, 7, 6, 5, 4, 3, 0]
    assert resampling(trajectory, 3, 2).tolist() == [9, 8, 7, 6, 9, 8, 7, 6, 5, 4, 3, 6, 5, 4, 3, 0]
    assert resampling(trajectory, 4, 3).tolist() == [9, 8, 7, 6, 5, 4, 3, 7, 6, 5, 4, 3, 7, 6, 5, 4, 3, 0]


@pytest.mark.parametrize(
    ("jump", "repeats", "said"), [(0, 1, "at least 1"), (1, 0, "at least 1"), (-3, 2, "at least 1"), (7, 5, "not fit")]
)
def test_resampling_refuses_what_goes_nowhere(jump: int, repeats: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        resampling(LEVELS, jump, repeats)


def test_repaint_approaches_the_exact_conditional_as_repeats_grow() -> None:
    """Two correlated pixels, one known: the other's mean and spread given it. Plain sampling misses half the shift."""
    mean, covariance = torch.tensor([-0.1, 0.2]), torch.tensor([[0.16, 0.12], [0.12, 0.25]])
    exact, spread = 0.2 + 0.12 / 0.16 * 0.6, math.sqrt(0.25 - 0.12**2 / 0.16)
    picture, region = torch.full((8000, 1, 1, 2), 0.5), torch.zeros(8000, 1, 1, 2)
    region[..., 1] = 1
    misses, spreads = [], []
    for repeats in (1, 5, 20):
        generator = torch.Generator().manual_seed(1)
        noise = lambda: torch.randn(8000, 1, 1, 2, generator=generator)  # noqa: E731, B023 - used up in this round
        trajectory = resampling(Karras(highest=20).trajectory(100), 10, repeats)
        start, known = trajectory[0].float() * noise(), KnownNoised(picture, region)
        denoise = Correlated(mean, covariance)
        drawn = sample(denoise, DDPM(), trajectory, start, condition(picture), noise, known)[..., 1]
        misses.append(abs(float(drawn.mean()) - exact))
        spreads.append(float(drawn.std()) / spread)
    assert misses[0] > 0.2 and misses[1] < misses[0] / 2 and misses[2] < misses[1] / 2
    assert spreads[-1] == pytest.approx(1, abs=0.06)


SOLVERS = [*(solver() for solver in members(Solver)), DDIM(0.5), DDPM(1), Euler(Churn(0.3)), Heun(Churn(0.3))]
GUIDES: list[list[Guide]] = [
    [],
    [Clip()],
    [Dynamic(0.9)],
    [ClassifierFree(3)],
    [Classifier(Bright(), 2.0)],
    [ClassifierFree(3), Clip()],
    [Clip(), ClassifierFree(3)],
    [ClassifierFree(3), Classifier(Bright(), 2.0), Dynamic(0.9)],
    [Classifier(Bright(), 2.0), ClassifierFree(3)],
]


@pytest.mark.parametrize("guides", GUIDES, ids=lambda guides: "+".join(type(one).__name__ for one in guides) or "plain")
@pytest.mark.parametrize("schedule", members(Schedule))
@pytest.mark.parametrize("repeats", [1, 3])
def test_known_pixels_are_bit_identical_in_every_combination(
    schedule: type[Schedule], repeats: int, guides: list[Guide]
) -> None:
    """Guides x solver x repeats x schedule x what is known; the denoiser never sees a clean pixel spoilt."""
    picture, region = randn(2, 3, 8, 8, seed=5).clamp(-0.9, 0.9), square_region(2, 8, 3)
    kept = (region == 0).expand_as(picture)
    trajectory = resampling(schedule().trajectory(6), 2, repeats)
    for solver, known in product(SOLVERS, (KnownClean, KnownNoised)):
        denoise, noise = Odd(), seeded([3, 4], (3, 8, 8))
        start, cond = trajectory[0].float() * noise(), condition(picture, region)
        drawn = sample(guided(denoise, guides), solver, trajectory, start, cond, noise, known(picture, region))
        assert torch.equal(drawn[kept], picture[kept])
        assert (drawn[~kept] != picture[~kept]).all() and drawn.isfinite().all()
        if known is KnownClean:
            assert all(torch.equal(x[:2][kept], picture[kept]) for x, _, _ in denoise.calls)


def test_pictures_may_lie_on_another_device_than_the_levels() -> None:
    """As on a GPU; the meta device stands in for one."""
    picture, region = torch.zeros(2, 1, 8, 8, device="meta"), torch.ones(2, 1, 8, 8, device="meta")
    cond = Condition(picture, region, torch.zeros(2, dtype=torch.int64, device="meta"), dropped=3)
    denoiser = Denoiser(Scripted(picture), V(), SPEC.sigma_data)
    guide = guided(denoiser, [Clip()])
    for solver in SOLVERS:
        known = KnownClean(picture, region)
        drawn = sample(guide, solver, LEVELS, picture, cond, lambda: torch.zeros_like(picture), known)
        assert drawn.device.type == "meta" and drawn.shape == picture.shape


def test_noised_known_pixels_have_the_level_the_denoiser_is_told() -> None:
    picture, region = torch.full((1, 1, 64, 64), 0.25), square_region(1, 64, 8)
    denoise, noise = Odd(), seeded([1], (1, 64, 64))
    sample(denoise, Heun(), LEVELS, 5 * noise(), condition(picture), noise, KnownNoised(picture, region))
    for x, sigma, _ in denoise.calls:
        added = x[region == 0] - 0.25
        assert float(added.std()) == pytest.approx(float(sigma), rel=0.05)
        assert float(added.mean()) == pytest.approx(0, abs=0.06 * float(sigma))


def test_without_known_everything_is_drawn() -> None:
    picture, noise = randn(2, 1, 8, 8), seeded([1, 2], (1, 8, 8))
    cond = condition(picture, square_region(2, 8, 3))
    plain = sample(Odd(), DDIM(), LEVELS, 5 * picture, cond, noise)
    assert (plain != picture).all()
    assert torch.equal(KnownNothing()(plain, LEVELS[0], noise), plain)


def draw(
    seeds: Sequence[int],
    labels: Sequence[int],
    denoise: Denoise,
    solver: Solver = SOLVERS[0],
    known: type[KnownClean] | type[KnownNoised] = KnownClean,
) -> Tensor:
    picture, region = torch.zeros(len(seeds), 1, 8, 8), square_region(len(seeds), 8, 4)
    cond = Condition(picture, region, torch.tensor(labels), dropped=3)
    noise = seeded(seeds, (1, 8, 8))
    return sample(denoise, solver, LEVELS, 5 * noise(), cond, noise, known(picture, region))


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
@pytest.mark.parametrize(
    "guides", [[], [ClassifierFree(2), Classifier(Bright()), Dynamic(0.9)]], ids=["plain", "guided"]
)
@pytest.mark.parametrize("known", [KnownClean, KnownNoised])
def test_a_sample_depends_neither_on_its_batch_mates_nor_on_their_order(
    solver: Solver, guides: list[Guide], known: type[KnownClean] | type[KnownNoised]
) -> None:
    def drawn(seeds: Sequence[int], labels: Sequence[int]) -> Tensor:
        return draw(seeds, labels, guided(Odd(), guides), solver, known)

    together = drawn([11, 12, 13], [0, 1, 2])
    assert torch.equal(drawn([13, 11, 12], [2, 0, 1]), together[[2, 0, 1]])
    assert torch.equal(drawn([12], [1]), together[1:2])
    assert torch.equal(drawn([99, 12, 7], [0, 1, 2])[1], together[1])
    assert not torch.allclose(drawn([11, 12, 14], [0, 1, 2])[2], together[2])


def test_a_networks_sample_does_not_depend_on_its_batch_mates() -> None:
    torch.manual_seed(0)
    network = UNet(SPEC, width=8, multipliers=(1,), patch_size=1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    denoiser = Denoiser(network, V(), SPEC.sigma_data)
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
