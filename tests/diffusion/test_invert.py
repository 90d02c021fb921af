"""Inversions: round trips, and the noise they find is noise."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from family import members
from oracles import Gaussian, condition, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.guide import ClassifierFree, Clip, guided
from defectgen.diffusion.invert import ddim_inversion, ddpm_inversion
from defectgen.diffusion.noise import Cosine, Karras, Schedule
from defectgen.diffusion.sample import KnownClean, sample, seeded
from defectgen.diffusion.solve import DDIM, DDPM

PICTURE = (0.3 * randn(2, 1, 16, 16) - 0.2).clamp(-0.95, 0.95)
REGION = square_region(2, 16, 10)
INSIDE = REGION > 0
SHAPE = (1, 16, 16)


class Bumpy(Denoise):
    """The denoiser of a Gaussian whose mean differs by class and context: changing either changes the answer."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        mean = 0.3 * cond.label.reshape(-1, 1, 1, 1) - 0.5 + 0.2 * cond.context.mean()
        gain = (0.09 / (0.09 + sigma**2)).to(x.dtype).reshape(-1, 1, 1, 1)
        return mean + gain * (x - mean) + 0.02 * torch.sin(3 * x) * gain


def refuse() -> Tensor:
    raise AssertionError("DDIM asked for noise")


def by_ddim(denoise: Denoise, trajectory: Tensor, label: int, iterations: int = 5) -> Tensor:
    """Inverted as class 1, sampled again as `label`."""
    start = ddim_inversion(denoise, trajectory, PICTURE, condition(PICTURE, REGION), iterations)
    cond = condition(PICTURE, REGION, label)
    return sample(denoise, DDIM(), trajectory, start, cond, refuse, KnownClean(PICTURE, REGION))


def by_ddpm(denoise: Denoise, trajectory: Tensor, label: int, solver: DDPM = DDPM()) -> Tensor:  # noqa: B008 - stateless
    """The same by way of DDPM's noises."""
    noise = seeded([5, 6], SHAPE)
    start, replay = ddpm_inversion(denoise, solver, trajectory, PICTURE, condition(PICTURE, REGION), noise)
    cond = condition(PICTURE, REGION, label)
    return sample(denoise, solver, trajectory, start, cond, replay, KnownClean(PICTURE, REGION))


@pytest.mark.parametrize("way", [by_ddim, by_ddpm])
@pytest.mark.parametrize("schedule", members(Schedule))
@pytest.mark.parametrize("denoise", [Bumpy(), Gaussian(-0.2, 0.3)])
def test_the_picture_comes_back(
    way: Callable[[Denoise, Tensor, int], Tensor], schedule: type[Schedule], denoise: Denoise
) -> None:
    """Within half a step of 8 bits."""
    back = way(denoise, schedule().trajectory(20), 1)
    torch.testing.assert_close(back, PICTURE, rtol=0, atol=0.5 / 127.5)


def test_ddpms_round_trip_works_for_the_larger_variance_too() -> None:
    back = by_ddpm(Bumpy(), Cosine().trajectory(20), 1, DDPM(large=1))
    torch.testing.assert_close(back, PICTURE, rtol=0, atol=1e-4)


def test_more_iterations_bring_the_picture_closer() -> None:
    misses = [float((by_ddim(Bumpy(), Cosine().trajectory(20), 1, n) - PICTURE).abs().max()) for n in (3, 6, 9)]
    assert all(after < before / 5 for before, after in pairwise(misses))


def test_mild_guidance_comes_back_too() -> None:
    guide = guided(Bumpy(), [ClassifierFree(1.5), Clip()])
    torch.testing.assert_close(by_ddim(guide, Cosine().trajectory(20), 1), PICTURE, rtol=0, atol=0.5 / 127.5)


class TwoNarrowModes(Denoise):
    """Pixels near -0.8 or 0.8 and nowhere else: no noise leads to a picture between them."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return 0.8 * torch.tanh(0.8 * x / (sigma**2).to(x.dtype).reshape(-1, 1, 1, 1))


@pytest.mark.parametrize("way", [by_ddim, by_ddpm])
@pytest.mark.parametrize(
    ("denoise", "steps"), [(TwoNarrowModes(), 20), (Bumpy(), 1)], ids=["impossible picture", "one step"]
)
def test_what_cannot_be_undone_becomes_no_picture_rather_than_another_one(
    way: Callable[[Denoise, Tensor, int], Tensor], denoise: Denoise, steps: int
) -> None:
    back = way(denoise, Cosine().trajectory(steps), 1)
    assert back[INSIDE].isnan().all() and torch.equal(back[~INSIDE], PICTURE[~INSIDE])


class ImpossibleFirst(Bumpy):
    """Its first picture cannot be undone, the others can."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        usual = super().__call__(x, sigma, cond)
        return torch.cat([TwoNarrowModes()(x[:1], sigma[:1], cond), usual[1:]])


@pytest.mark.parametrize("way", [by_ddim, by_ddpm])
def test_a_picture_comes_back_whatever_becomes_of_its_batch_mates(
    way: Callable[[Denoise, Tensor, int], Tensor],
) -> None:
    back = way(ImpossibleFirst(), Cosine().trajectory(20), 1)
    assert not back[0].isfinite().all()
    torch.testing.assert_close(back[1], PICTURE[1], rtol=0, atol=0.5 / 127.5)


def test_the_noises_serve_one_sampling() -> None:
    """The second one is refused in words, not ended by a StopIteration that a generator would swallow."""
    cond, trajectory = condition(PICTURE, REGION), Cosine().trajectory(20)
    _, replay = ddpm_inversion(Bumpy(), DDPM(), trajectory, PICTURE, cond, seeded([5, 6], SHAPE))
    for _ in range(19):
        replay()
    with pytest.raises(ValueError, match="serve one sampling"):
        replay()


@pytest.mark.parametrize("way", [by_ddim, by_ddpm])
def test_another_label_makes_a_variant_with_the_pictures_layout(
    way: Callable[[Denoise, Tensor, int], Tensor],
) -> None:
    variant = way(Bumpy(), Cosine().trajectory(20), 2)[INSIDE]
    shift = float((variant - PICTURE[INSIDE]).mean())
    assert shift == pytest.approx(0.3, abs=0.05), "the other class is brighter by 0.3"
    alike = torch.corrcoef(torch.stack([variant, PICTURE[INSIDE]]))[0, 1]
    assert alike > 0.98, "the same bumps at the same places"


@pytest.mark.parametrize("way", [by_ddim, by_ddpm])
def test_outside_the_region_the_picture_is_kept_bit_by_bit(way: Callable[[Denoise, Tensor, int], Tensor]) -> None:
    assert torch.equal(way(Bumpy(), Karras().trajectory(20), 2)[~INSIDE], PICTURE[~INSIDE])


def test_ddim_finds_noise_of_the_level_for_a_picture_of_the_distribution() -> None:
    """The probability flow maps N(mean, std^2) to N(mean, std^2 + sigma^2)."""
    picture, trajectory = -0.2 + 0.3 * randn(4, 1, 64, 64), Cosine().trajectory(200)
    start = ddim_inversion(Gaussian(-0.2, 0.3), trajectory, picture, condition(picture)) / float(trajectory[0])
    assert float(start.mean()) == pytest.approx(0, abs=0.02) and float(start.std()) == pytest.approx(1, rel=0.03)


def test_ddpms_noises_are_noisier_than_those_of_sampling_as_the_paper_says() -> None:
    """Huberman-Spiegelglas et al. 2024, sec. 3: larger variance, and neighbouring steps correlate negatively."""
    picture = -0.2 + 0.3 * randn(4, 1, 64, 64)
    cond, noise = condition(picture), seeded(range(4), (1, 64, 64))
    _, replay = ddpm_inversion(Gaussian(-0.2, 0.3), DDPM(), Cosine().trajectory(20), picture, cond, noise)
    noises = [replay() for _ in range(19)]
    assert all(float(one.std()) > 1.3 for one in noises[1:])
    assert all(
        float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]) < -0.1
        for one, other in pairwise(noises)
    )
