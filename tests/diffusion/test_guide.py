"""Guides: the formula of classifier-free guidance, what may be dropped for it, thresholding, their order."""

import pytest
import torch
from oracles import Gaussian, Odd, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.guide import Classifier, ClassifierFree, Clip, Dynamic, guided
from defectgen.diffusion.likelihood import Likelihood


class OfTwoGaussians(Likelihood):
    """log p(label | x) where class 0 has pixels of N(-0.5, 0.2^2) and class 1 of N(0.3, 0.4^2), equally often."""

    CLASSES = ((-0.5, 0.2), (0.3, 0.4))

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        spread = [(std**2 + sigma**2).sqrt() for _, std in self.CLASSES]
        every = torch.stack(
            [
                (-((x - mean) ** 2) / (2 * wide[:, None, None, None] ** 2) - wide[:, None, None, None].log()).sum(
                    (1, 2, 3)
                )
                for (mean, _), wide in zip(self.CLASSES, spread, strict=True)
            ]
        )
        return every.log_softmax(dim=0).T[torch.arange(len(x)), cond.label]


class Mixed(Denoise):
    """The exact denoiser of pictures of either class, told nothing: each class's own, by how likely it is."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        answer = torch.zeros_like(x)
        for number, (mean, std) in enumerate(OfTwoGaussians.CLASSES):
            one = Condition(cond.context, cond.region, torch.full_like(cond.label, number), cond.dropped)
            share = OfTwoGaussians()(x, sigma, one).exp()
            answer = answer + share[:, None, None, None] * Gaussian(mean, std)(x, sigma, one)
        return answer


class Brighter(Likelihood):
    """Every class is likelier the brighter the picture, whatever the label."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return x.sum(dim=(1, 2, 3))


class Plain(Denoise):
    """Answers what it was made with."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return self.answer


X = randn(2, 1, 6, 6)
REGION = square_region(2, 6, 3)
COND = Condition(randn(2, 1, 6, 6, seed=1), REGION, torch.tensor([0, 2]), dropped=3)
SIGMA = torch.tensor([0.5, 2.0], dtype=torch.float64)


def answer(scale: float) -> Tensor:
    return ClassifierFree(scale).wrap(Odd())(X, SIGMA, COND)


def test_unconditional_drops_the_label_and_nothing_else() -> None:
    other = COND.unconditional()
    assert other.label.tolist() == [3, 3] and other.label.dtype == COND.label.dtype
    assert torch.equal(other.context, COND.context) and torch.equal(other.region, COND.region)
    assert COND.label.tolist() == [0, 2], "the condition itself is left as it was"


def test_scale_1_is_the_conditional_denoiser_and_0_the_unconditional() -> None:
    torch.testing.assert_close(answer(1), Odd()(X, SIGMA, COND))
    torch.testing.assert_close(answer(0), Odd()(X, SIGMA, COND.unconditional()))
    assert not torch.allclose(answer(1), answer(0))


@pytest.mark.parametrize("scale", [-1, 0.5, 1.5, 7])
def test_guidance_is_linear_in_the_scale(scale: float) -> None:
    torch.testing.assert_close(answer(scale), answer(0) + scale * (answer(1) - answer(0)))


def test_one_network_call_asks_both_and_never_drops_context_or_region() -> None:
    denoise = Odd()
    ClassifierFree(3).wrap(denoise)(X, SIGMA, COND)
    ((x, sigma, told),) = denoise.calls
    assert told.label.tolist() == [0, 2, 3, 3] and told.dropped == 3
    for asked, given in [(x, X), (sigma, SIGMA), (told.context, COND.context), (told.region, COND.region)]:
        assert torch.equal(asked, torch.cat([given, given]))


def test_clip_keeps_the_estimate_in_the_range_of_pictures() -> None:
    plain, clipped = Odd()(X, SIGMA, COND), Clip().wrap(Odd())(X, SIGMA, COND)
    assert plain.abs().max() > 1 and clipped.min() == -1 and clipped.max() == 1
    inside = plain.abs() <= 1
    assert torch.equal(clipped[inside], plain[inside])
    assert torch.equal(clipped[~inside], plain[~inside].sign())


def told(label: int) -> Condition:
    return Condition(X.double(), torch.ones_like(REGION), torch.full((2,), label), dropped=2)


@pytest.mark.parametrize("label", [0, 1])
def test_classifier_guidance_of_scale_1_is_bayes_rule(label: int) -> None:
    """From the denoiser of both classes to the exact one of the class asked for."""
    guide = Classifier(OfTwoGaussians(), scale=1.0)
    exact = Gaussian(*OfTwoGaussians.CLASSES[label])(X.double(), SIGMA, told(label))
    plain = Mixed()(X.double(), SIGMA, told(label))
    torch.testing.assert_close(guide.wrap(Mixed())(X.double(), SIGMA, told(label)), exact)
    assert not torch.allclose(plain, exact)


def test_classifier_guidance_is_linear_in_the_scale_and_works_where_gradients_are_off() -> None:
    plain = Mixed()(X.double(), SIGMA, told(1))
    with torch.no_grad():
        once, thrice = (
            Classifier(OfTwoGaussians(), scale).wrap(Mixed())(X.double(), SIGMA, told(1)) for scale in (1, 3)
        )
    torch.testing.assert_close(thrice - plain, 3 * (once - plain))
    assert not once.requires_grad


def test_pictures_told_nothing_are_not_pulled() -> None:
    """As the unconditional half of classifier-free guidance around it."""
    x, cond = X.double(), told(1)
    both = Condition(cond.context, cond.region, torch.tensor([1, 2]), dropped=2)
    guide = Classifier(Brighter(), 2.0).wrap(Mixed())
    plain = Mixed()(x, SIGMA, told(1))
    answer = guide(x, SIGMA, both)
    assert torch.equal(answer[1], plain[1]) and not torch.allclose(answer[0], plain[0])


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_scales_are_finite(scale: float) -> None:
    for make in (lambda: ClassifierFree(scale), lambda: Classifier(Brighter(), scale)):
        with pytest.raises(ValueError, match="finite"):
            make()


@pytest.mark.parametrize("pixels", [20, 400])
def test_dynamic_threshold_reacts_to_a_defect_however_small(pixels: int) -> None:
    """Over the whole of 64 x 64 pixels, 20 are 0.5 %: the quantile would be 1 and the defect clamped flat."""
    region = torch.zeros(1, 1, 64, 64)
    region.view(-1)[:pixels] = 1
    x0 = torch.where(region > 0, 4 * torch.rand(region.shape, generator=torch.Generator().manual_seed(0)), 0.1)
    cond = Condition(x0, region, torch.zeros(1, dtype=torch.int64), 3)
    answer = Dynamic(0.9).wrap(Plain(x0))(x0, SIGMA[:1], cond)
    limit = x0[region > 0].quantile(0.9)
    assert limit > 1
    torch.testing.assert_close(answer[region > 0], x0[region > 0].clamp(max=limit) / limit)
    assert answer[region > 0].unique().numel() > 0.85 * pixels, "not flattened as by Clip"
    whole = Condition(x0, torch.ones_like(region), cond.label, 3)
    assert pixels > 20 or torch.equal(Dynamic(0.9).wrap(Plain(x0))(x0, SIGMA[:1], whole), x0.clamp(-1, 1))


def test_dynamic_threshold_leaves_pictures_in_range_alone_and_judges_each_by_itself() -> None:
    x0 = torch.stack([0.9 * torch.ones(1, 6, 6), torch.linspace(-3, 3, 36).reshape(1, 6, 6)])
    answer = Dynamic(1.0).wrap(Plain(x0))(X, SIGMA, Condition(x0, torch.ones(2, 1, 6, 6), COND.label, 3))
    torch.testing.assert_close(answer[0], x0[0])
    torch.testing.assert_close(answer[1], x0[1] / 3)


@pytest.mark.parametrize("quantile", [0, -0.5, 1.01])
def test_dynamic_threshold_refuses_what_is_no_quantile(quantile: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        Dynamic(quantile)


def test_guides_are_applied_innermost_first() -> None:
    outer = guided(Odd(), [ClassifierFree(3), Clip()])(X, SIGMA, COND)
    inner = guided(Odd(), [Clip(), ClassifierFree(3)])(X, SIGMA, COND)
    assert torch.equal(outer, answer(3).clamp(-1, 1))
    assert inner.abs().max() > 1, "clipped halves, then extrapolated"


def test_without_guides_the_denoiser_is_itself() -> None:
    denoise = Odd()
    assert guided(denoise, []) is denoise
