"""Parametrisation, weighting and loss against the textbook's variance-preserving form."""

from collections.abc import Callable

import pytest
import torch
from family import members
from oracles import Gaussian, Odd, Scripted, condition, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import (
    EDM,
    X0,
    Denoise,
    Denoiser,
    EDMWeighting,
    Eps,
    MinSNR,
    Parametrization,
    Simple,
    UniformV,
    V,
    Weighting,
    denoising_loss,
)

SPREAD = 0.3  # of the pictures
LEVELS = torch.tensor([0.01, 0.1, 0.7, 1.0, 5.0, 100.0], dtype=torch.float64)
ABAR = (1 / (1 + LEVELS**2)).reshape(-1, 1, 1, 1)
CLEAN, NOISE = randn(6, 2, 5, 4, seed=1).double().clamp(-1, 1), randn(6, 2, 5, 4, seed=2).double()
Z = ABAR.sqrt() * CLEAN + (1 - ABAR).sqrt() * NOISE  # DDPM's coordinates
FLAT = torch.ones(6)
EDM_ROOT = (LEVELS**2 + SPREAD**2).sqrt().reshape(-1, 1, 1, 1)
X = CLEAN + LEVELS.reshape(-1, 1, 1, 1) * NOISE  # ours


class OffBy(Denoise):
    """Wrong by `error` everywhere."""

    def __init__(self, x0: Tensor, error: Tensor | float) -> None:
        self.answer = x0 + error

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return self.answer


def test_network_that_knows_v_gives_the_exact_picture() -> None:
    v = ABAR.sqrt() * NOISE - (1 - ABAR).sqrt() * CLEAN
    estimate = Denoiser(Scripted(v), V(), SPREAD)(X, LEVELS, condition(CLEAN))
    torch.testing.assert_close(estimate, CLEAN, rtol=0, atol=1e-12)
    single = Denoiser(Scripted(v.float()), V(), SPREAD)(X.float(), LEVELS, condition(CLEAN.float()))
    torch.testing.assert_close(single, CLEAN.float(), rtol=0, atol=2e-5)


def test_v_agrees_with_the_variance_preserving_form() -> None:
    """The network sees z and answers v; x0 = sqrt(abar) z - sqrt(1 - abar) v."""
    network = Scripted(randn(6, 2, 5, 4, seed=3).double())
    estimate = Denoiser(network, V(), SPREAD)(X, LEVELS, condition(CLEAN))
    seen, level, _ = network.asked
    torch.testing.assert_close(seen, Z)
    torch.testing.assert_close(level, LEVELS.log())
    torch.testing.assert_close(estimate, ABAR.sqrt() * Z - (1 - ABAR).sqrt() * network.answer)


def test_v_has_unit_variance_in_and_out_for_unit_variance_pictures() -> None:
    skip, out, into = V()(LEVELS, SPREAD)
    ones = torch.ones_like(LEVELS)
    torch.testing.assert_close(into**2 * (1 + LEVELS**2), ones)
    torch.testing.assert_close(((1 - skip) ** 2 + (skip * LEVELS) ** 2) / out**2, ones)


@pytest.mark.parametrize(
    ("parametrization", "answer"),
    [
        (Eps(), lambda x0, n: n),
        (X0(), lambda x0, n: x0),
        (V(), lambda x0, n: ABAR.sqrt() * n - (1 - ABAR).sqrt() * x0),
        (EDM(), lambda x0, n: (LEVELS.reshape(-1, 1, 1, 1) * x0 / SPREAD - SPREAD * n) / EDM_ROOT),
    ],
    ids=lambda one: type(one).__name__,
)
def test_perfect_networks_are_the_same_denoiser(
    parametrization: Parametrization, answer: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """A perfect network answers the expectation of its target, here for pixels of a Gaussian."""
    exact = Gaussian(-0.2, 0.5)(X, LEVELS, condition(X))
    network = Scripted(answer(exact, (X - exact) / LEVELS.reshape(-1, 1, 1, 1)))
    torch.testing.assert_close(Denoiser(network, parametrization, SPREAD)(X, LEVELS, condition(X)), exact)


def test_edm_has_unit_variance_in_and_out_for_pictures_of_its_spread() -> None:
    skip, out, into = EDM()(LEVELS, SPREAD)
    torch.testing.assert_close(into**2 * (SPREAD**2 + LEVELS**2), FLAT.double())
    target = ((1 - skip) ** 2 * SPREAD**2 + (skip * LEVELS) ** 2) / out**2
    torch.testing.assert_close(target, FLAT.double())


def test_edm_is_minus_v_in_units_of_the_spread() -> None:
    skip, out, into = EDM()(LEVELS, SPREAD)
    unit = V()(LEVELS / SPREAD, 1.0)
    torch.testing.assert_close((skip, -out / SPREAD, into * SPREAD), tuple(unit))


@pytest.mark.parametrize("parametrization", members(Parametrization))
def test_every_parametrization_can_express_every_picture(parametrization: type[Parametrization]) -> None:
    """With the answer (x0 - skip x) / out a network is right at any level; its input stays bounded."""
    skip, out, into = (factor.reshape(-1, 1, 1, 1) for factor in parametrization()(LEVELS, SPREAD))
    assert skip.dtype == out.dtype == into.dtype == torch.float64
    estimate = Denoiser(Scripted((CLEAN - skip * X) / out), parametrization(), SPREAD)(X, LEVELS, condition(CLEAN))
    torch.testing.assert_close(estimate, CLEAN)
    assert (into * X).abs().max() < 10


def test_known_pixels_reach_the_network_as_they_are_and_noisy_ones_scaled() -> None:
    region = square_region(6, 5, 2)[..., :4].double()
    network, cond = Scripted(CLEAN), condition(CLEAN, region)
    denoising_loss(Denoiser(network, V(), SPREAD), CLEAN, NOISE, LEVELS, FLAT, cond)
    seen, _, told = network.asked
    outside = (region == 0).expand_as(CLEAN)
    assert torch.equal(seen[outside], CLEAN[outside])
    torch.testing.assert_close(seen[~outside], Z[~outside])
    assert told is cond


@pytest.mark.parametrize("parametrization", members(Parametrization))
def test_known_pixels_look_the_same_at_every_level(parametrization: type[Parametrization]) -> None:
    """And, as noise vanishes, like the noisy ones beside them, or the network would see a seam at low noise."""
    picture, region = 0.5 * torch.ones(6, 1, 6, 6), square_region(6, 6, 3)
    network = Scripted(picture)
    Denoiser(network, parametrization(), SPREAD)(picture, LEVELS, condition(picture, region))
    seen, *_ = network.asked
    known = seen[(region == 0)]
    torch.testing.assert_close(known, known[:1].expand_as(known))
    torch.testing.assert_close(seen[0][region[0] > 0], known[:9], rtol=1e-3, atol=0)


def test_sum_stays_in_float32_when_the_network_answers_in_bfloat16() -> None:
    answer = randn(6, 2, 5, 4).bfloat16()
    estimate = Denoiser(Scripted(answer), V(), SPREAD)(X.float(), LEVELS, condition(CLEAN.float()))
    assert estimate.dtype == torch.float32
    single = Denoiser(Scripted(answer.float()), V(), SPREAD)
    torch.testing.assert_close(estimate, single(X.float(), LEVELS, condition(CLEAN)))


@pytest.mark.parametrize(
    ("parametrization", "divisor"), [(X0(), lambda snr: 1), (Eps(), lambda snr: snr), (V(), lambda snr: snr + 1)]
)
@pytest.mark.parametrize("gamma", [5.0, 1.0])
def test_min_snr_is_the_published_weight_of_whatever_is_predicted(
    gamma: float, parametrization: Parametrization, divisor: Callable[[Tensor], Tensor]
) -> None:
    """Hang et al. 2023, sec. 3.4: min(SNR, gamma), over SNR for eps, over SNR + 1 for v."""
    snr = LEVELS**-2
    published = snr.clamp(max=gamma) / divisor(snr)
    of_the_answer = parametrization(LEVELS, SPREAD).out ** 2  # an error of the answer is one of x0 times `out`
    torch.testing.assert_close(MinSNR(gamma)(LEVELS, SPREAD) * of_the_answer, published)


@pytest.mark.parametrize(("weighting", "even"), [(Simple(), Eps()), (UniformV(), V()), (EDMWeighting(), EDM())])
def test_weightings_make_the_error_of_their_own_answer_weigh_the_same(
    weighting: Weighting, even: Parametrization
) -> None:
    torch.testing.assert_close(weighting(LEVELS, SPREAD) * even(LEVELS, SPREAD).out ** 2, FLAT.double())


def test_fresh_edm_networks_lose_1_at_every_level() -> None:
    """Karras et al. 2022, sec. 5: so no level's gradient is larger than another's when training starts."""
    x0, noise = SPREAD * randn(6, 1, 128, 128, seed=6), randn(6, 1, 128, 128, seed=7)
    fresh = Denoiser(Scripted(torch.zeros_like(x0)), EDM(), SPREAD)
    loss = denoising_loss(fresh, x0, noise, LEVELS, EDMWeighting()(LEVELS, SPREAD), condition(x0))
    torch.testing.assert_close(loss, FLAT, rtol=0, atol=0.05)


@pytest.mark.parametrize("weighting", members(Weighting))
def test_weights_are_above_0_and_fall_with_the_level(weighting: type[Weighting]) -> None:
    weights = weighting()(LEVELS, SPREAD)
    assert weights.dtype == torch.float64 and (weights > 0).all() and (weights.diff() <= 0).all()


def test_min_snr_refuses_a_bound_that_silences_everything() -> None:
    with pytest.raises(ValueError, match="above 0"):
        MinSNR(0)


def test_min_snr_weights_the_loss_by_each_pictures_own_level() -> None:
    x0, noise = CLEAN.float(), NOISE.float()
    loss = denoising_loss(OffBy(x0, 0.1), x0, noise, LEVELS, MinSNR()(LEVELS, SPREAD), condition(x0))
    assert loss.shape == (6,) and loss.dtype == torch.float32
    torch.testing.assert_close(loss, 0.01 * torch.tensor([5, 5, 1 / 0.49, 1, 0.04, 0.0001]), rtol=1e-4, atol=0)
    flat = denoising_loss(OffBy(x0, 0.1), x0, noise, LEVELS, FLAT, condition(x0))
    torch.testing.assert_close(flat, torch.full((6,), 0.01), rtol=1e-4, atol=0)


def test_loss_does_not_depend_on_the_regions_area() -> None:
    """One wrong pixel in one weighs as much as a thousand wrong ones in a thousand."""
    x0 = torch.zeros(3, 3, 32, 32)
    region = torch.cat([square_region(1, 32, side) for side in (1, 5, 30)])
    loss = denoising_loss(OffBy(x0, 0.2), x0, x0, LEVELS[:3], FLAT[:3], condition(x0, region))
    torch.testing.assert_close(loss, torch.full((3,), 0.04))


def test_loss_is_the_mean_over_the_regions_pixels_and_channels() -> None:
    x0, region = torch.zeros(1, 2, 4, 4), square_region(1, 4, 2)
    error = randn(1, 2, 4, 4, seed=4)
    loss = denoising_loss(OffBy(x0, error), x0, x0, LEVELS[:1], FLAT[:1], condition(x0, region))
    torch.testing.assert_close(loss, error[..., 1:3, 2:4].square().mean().reshape(1))


def test_pixels_outside_the_region_do_not_matter() -> None:
    x0, region = CLEAN.float(), square_region(6, 5, 2)[..., :4]
    error = randn(6, 2, 5, 4, seed=5)
    arguments = x0, NOISE.float(), LEVELS, MinSNR()(LEVELS, SPREAD), condition(x0, region)
    astray = denoising_loss(OffBy(x0, torch.where(region > 0, error, 1e3)), *arguments)
    assert torch.equal(denoising_loss(OffBy(x0, error), *arguments), astray)


def test_noise_is_laid_on_the_region_only_and_at_the_pictures_own_level() -> None:
    denoise, region = Odd(), square_region(6, 5, 2)[..., :4].double()
    denoising_loss(denoise, CLEAN, NOISE, LEVELS, FLAT, condition(CLEAN, region))
    ((x, sigma, _),) = denoise.calls
    assert torch.equal(sigma, LEVELS)
    torch.testing.assert_close(x, torch.where(region > 0, X, CLEAN))
