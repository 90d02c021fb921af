"""Guides: the formula of classifier-free guidance, what may be dropped for it, thresholding, their order."""

import pytest
import torch
from oracles import Odd, randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.guide import ClassifierFree, Clip, guided

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


def test_guides_are_applied_innermost_first() -> None:
    outer = guided(Odd(), [ClassifierFree(3), Clip()])(X, SIGMA, COND)
    inner = guided(Odd(), [Clip(), ClassifierFree(3)])(X, SIGMA, COND)
    assert torch.equal(outer, answer(3).clamp(-1, 1))
    assert inner.abs().max() > 1, "clipped halves, then extrapolated"


def test_without_guides_the_denoiser_is_itself() -> None:
    denoise = Odd()
    assert guided(denoise, []) is denoise
