"""LearnedLikelihood: what its network sees, what it makes of the logits, and how guides come by it."""

import pytest
import torch
from oracles import Odd, Scripted, condition, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, Denoise, Denoiser, noised
from defectgen.diffusion.guide import Classifier, ClassifierFree, Clip, Dynamic, guided
from defectgen.diffusion.likelihood import LearnedLikelihood, Likelihood
from defectgen.diffusion.noise import Karras
from defectgen.diffusion.sample import KnownClean, sample, seeded
from defectgen.diffusion.solve import Heun

SPREAD = 0.3
LOGITS = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]])
SIGMA = torch.tensor([0.02, 70.0], dtype=torch.float64)
REGION = square_region(2, 8, 4)


class Local(torch.nn.Module):
    """Logits of the mean of the whole picture, known pixels too."""

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        mean = x.mean(dim=(1, 2, 3))
        return torch.stack([-mean, mean, 0 * mean], dim=1)


class Flat(Denoise):
    """Answers grey."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return torch.zeros_like(x)


class Even(Likelihood):
    """Every class is as likely."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return 0 * x.sum(dim=(1, 2, 3))


def test_it_is_the_log_probability_of_the_label_the_less_sure_the_higher_the_noise() -> None:
    x, likelihood = randn(2, 1, 8, 8), LearnedLikelihood(Scripted(LOGITS), SPREAD)
    said = torch.stack([likelihood(x, SIGMA, condition(x, REGION, label)) for label in range(3)])
    share = SPREAD / (SIGMA**2 + SPREAD**2).sqrt().float()
    torch.testing.assert_close(said.exp(), (share[:, None] * LOGITS).softmax(dim=1).T)
    assert float(said[:, 1].exp().max()) < 0.34


def test_the_pull_is_bounded_however_high_the_noise() -> None:
    x0 = randn(2, 1, 8, 8, seed=1).clamp(-1, 1)
    cond, pulls = condition(x0, REGION), []
    for sigma in (1e2, 1e4):
        level = torch.full((2,), sigma, dtype=torch.float64)
        guide = Classifier(LearnedLikelihood(Local(), SPREAD)).wrap(Flat())
        pulls.append(guide(noised(x0, randn(2, 1, 8, 8), level, cond), level, cond))
    torch.testing.assert_close(pulls[0], pulls[1], rtol=0.1, atol=0)


def test_a_dropped_label_asks_for_no_class_there_is_not() -> None:
    x = randn(2, 1, 8, 8)
    assert LearnedLikelihood(Scripted(LOGITS), SPREAD)(x, SIGMA, condition(x, REGION).unconditional()).shape == (2,)


def test_its_network_sees_what_a_denoisers_does() -> None:
    """Noise of unit variance in the region, and known pixels that no level changes."""
    x0 = randn(2, 1, 8, 8, seed=1).clamp(-1, 1)
    cond = condition(x0, REGION)
    x = noised(x0, randn(2, 1, 8, 8), SIGMA, cond)
    classifier, denoiser = Scripted(LOGITS), Scripted(x0)
    LearnedLikelihood(classifier, SPREAD)(x, SIGMA, cond)
    Denoiser(denoiser, EDM(), SPREAD)(x, SIGMA, cond)
    for seen, also in zip(classifier.asked, denoiser.asked, strict=True):
        assert seen is also or torch.equal(seen, also)
    known = REGION == 0
    torch.testing.assert_close(classifier.asked[0][known], x0[known] / SPREAD)
    assert torch.equal(x[known], x0[known])


def test_known_pixels_stay_bit_identical_and_nothing_pulls_at_them() -> None:
    x0 = randn(2, 1, 8, 8, seed=1).clamp(-1, 1)
    cond, known = condition(x0, REGION), REGION == 0
    guide = Classifier(LearnedLikelihood(Local(), SPREAD), 5.0)
    moved = guide.wrap(Odd())(x0, SIGMA, cond) - Odd()(x0, SIGMA, cond)
    assert not moved[known].any() and (moved[~known] > 0).all()
    noise, levels = seeded([1, 2], (1, 8, 8)), Karras().trajectory(5)
    denoise = guided(Odd(), [guide, Clip()])
    drawn = sample(denoise, Heun(), levels, 80 * noise(), cond, noise, KnownClean(x0, REGION))
    assert torch.equal(drawn[known], x0[known]) and drawn.isfinite().all()


def test_only_a_classifier_without_a_likelihood_takes_another() -> None:
    own, trained = Even(), Even()
    for guide in (ClassifierFree(), Clip(), Dynamic(), Classifier(own)):
        assert guide.informed(trained) is guide
    informed = Classifier(scale=2.5).informed(trained)
    assert isinstance(informed, Classifier) and informed.likelihood is trained and informed.scale == 2.5


def test_a_classifier_without_any_guides_nothing() -> None:
    with pytest.raises(ValueError, match="no likelihood"):
        Classifier().wrap(Odd())
