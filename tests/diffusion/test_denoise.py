"""Parametrisation, weighting and loss against the textbook's variance-preserving form."""

import pytest
import torch
from family import members
from oracles import Odd, Scripted, condition, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise, Denoiser, MinSNR, Parametrization, V, Weighting, denoising_loss

LEVELS = torch.tensor([0.01, 0.1, 0.7, 1.0, 5.0, 100.0], dtype=torch.float64)
ABAR = (1 / (1 + LEVELS**2)).reshape(-1, 1, 1, 1)
X0, NOISE = randn(6, 2, 5, 4, seed=1).double().clamp(-1, 1), randn(6, 2, 5, 4, seed=2).double()
Z = ABAR.sqrt() * X0 + (1 - ABAR).sqrt() * NOISE  # DDPM's coordinates
X = X0 + LEVELS.reshape(-1, 1, 1, 1) * NOISE  # ours


class Flat(Weighting):
    def __call__(self, sigma: Tensor) -> Tensor:
        return torch.ones_like(sigma)


class OffBy(Denoise):
    """Wrong by `error` everywhere."""

    def __init__(self, x0: Tensor, error: Tensor | float) -> None:
        self.answer = x0 + error

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return self.answer


def test_network_that_knows_v_gives_the_exact_picture() -> None:
    v = ABAR.sqrt() * NOISE - (1 - ABAR).sqrt() * X0
    estimate = Denoiser(Scripted(v), V())(X, LEVELS, condition(X0))
    torch.testing.assert_close(estimate, X0, rtol=0, atol=1e-12)
    single = Denoiser(Scripted(v.float()), V())(X.float(), LEVELS, condition(X0.float()))
    torch.testing.assert_close(single, X0.float(), rtol=0, atol=2e-5)


def test_v_agrees_with_the_variance_preserving_form() -> None:
    """The network sees z and answers v; x0 = sqrt(abar) z - sqrt(1 - abar) v."""
    network = Scripted(randn(6, 2, 5, 4, seed=3).double())
    estimate = Denoiser(network, V())(X, LEVELS, condition(X0))
    seen, level, _ = network.asked
    torch.testing.assert_close(seen, Z)
    torch.testing.assert_close(level, LEVELS.log())
    torch.testing.assert_close(estimate, ABAR.sqrt() * Z - (1 - ABAR).sqrt() * network.answer)


def test_v_has_unit_variance_in_and_out_for_unit_variance_pictures() -> None:
    skip, out, into = V()(LEVELS)
    ones = torch.ones_like(LEVELS)
    torch.testing.assert_close(into**2 * (1 + LEVELS**2), ones)
    torch.testing.assert_close(((1 - skip) ** 2 + (skip * LEVELS) ** 2) / out**2, ones)


@pytest.mark.parametrize("parametrization", members(Parametrization))
def test_every_parametrization_can_express_every_picture(parametrization: type[Parametrization]) -> None:
    """With the answer (x0 - skip x) / out a network is right at any level; its input stays bounded."""
    skip, out, into = (factor.reshape(-1, 1, 1, 1) for factor in parametrization()(LEVELS))
    assert skip.dtype == out.dtype == into.dtype == torch.float64
    estimate = Denoiser(Scripted((X0 - skip * X) / out), parametrization())(X, LEVELS, condition(X0))
    torch.testing.assert_close(estimate, X0)
    assert (into * X).abs().max() < 10


def test_known_pixels_reach_the_network_as_they_are_and_noisy_ones_scaled() -> None:
    region = square_region(6, 5, 2)[..., :4].double()
    network, cond = Scripted(X0), condition(X0, region)
    denoising_loss(Denoiser(network, V()), X0, NOISE, LEVELS, Flat(), cond)
    seen, _, told = network.asked
    outside = (region == 0).expand_as(X0)
    assert torch.equal(seen[outside], X0[outside])
    torch.testing.assert_close(seen[~outside], Z[~outside])
    assert told is cond


def test_sum_stays_in_float32_when_the_network_answers_in_bfloat16() -> None:
    answer = randn(6, 2, 5, 4).bfloat16()
    estimate = Denoiser(Scripted(answer), V())(X.float(), LEVELS, condition(X0.float()))
    assert estimate.dtype == torch.float32
    torch.testing.assert_close(estimate, Denoiser(Scripted(answer.float()), V())(X.float(), LEVELS, condition(X0)))


@pytest.mark.parametrize("gamma", [5.0, 1.0])
def test_min_snr_is_the_papers_weight_of_the_v_error(gamma: float) -> None:
    """Hang et al. 2023: min(SNR, gamma) / (SNR + 1) of the squared v error; x0's error is sqrt(1 - abar) times v's."""
    snr, abar = LEVELS**-2, ABAR.flatten()
    published = snr.clamp(max=gamma) / (snr + 1)
    torch.testing.assert_close(MinSNR(gamma)(LEVELS) * (1 - abar), published)


def test_min_snr_weights_the_loss_by_each_pictures_own_level() -> None:
    x0, noise, flat = X0.float(), NOISE.float(), torch.ones(6)
    loss = denoising_loss(OffBy(x0, 0.1), x0, noise, LEVELS, MinSNR(), condition(x0))
    assert loss.shape == (6,) and loss.dtype == torch.float32
    torch.testing.assert_close(loss, 0.01 * torch.tensor([5, 5, 1 / 0.49, 1, 0.04, 0.0001]), rtol=1e-4, atol=0)
    flat = denoising_loss(OffBy(x0, 0.1), x0, noise, LEVELS, Flat(), condition(x0))
    torch.testing.assert_close(flat, torch.full((6,), 0.01), rtol=1e-4, atol=0)


def test_loss_does_not_depend_on_the_regions_area() -> None:
    """One wrong pixel in one weighs as much as a thousand wrong ones in a thousand."""
    x0 = torch.zeros(3, 3, 32, 32)
    region = torch.cat([square_region(1, 32, side) for side in (1, 5, 30)])
    loss = denoising_loss(OffBy(x0, 0.2), x0, x0, LEVELS[:3], Flat(), condition(x0, region))
    torch.testing.assert_close(loss, torch.full((3,), 0.04))


def test_loss_is_the_mean_over_the_regions_pixels_and_channels() -> None:
    x0, region = torch.zeros(1, 2, 4, 4), square_region(1, 4, 2)
    error = randn(1, 2, 4, 4, seed=4)
    loss = denoising_loss(OffBy(x0, error), x0, x0, LEVELS[:1], Flat(), condition(x0, region))
    torch.testing.assert_close(loss, error[..., 1:3, 2:4].square().mean().reshape(1))


def test_pixels_outside_the_region_do_not_matter() -> None:
    x0, region = X0.float(), square_region(6, 5, 2)[..., :4]
    error = randn(6, 2, 5, 4, seed=5)
    arguments = x0, NOISE.float(), LEVELS, MinSNR(), condition(x0, region)
    astray = denoising_loss(OffBy(x0, torch.where(region > 0, error, 1e3)), *arguments)
    assert torch.equal(denoising_loss(OffBy(x0, error), *arguments), astray)


def test_noise_is_laid_on_the_region_only_and_at_the_pictures_own_level() -> None:
    denoise, region = Odd(), square_region(6, 5, 2)[..., :4].double()
    denoising_loss(denoise, X0, NOISE, LEVELS, Flat(), condition(X0, region))
    ((x, sigma, _),) = denoise.calls
    assert torch.equal(sigma, LEVELS)
    torch.testing.assert_close(x, torch.where(region > 0, X, X0))
