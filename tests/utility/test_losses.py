"""What the losses teach: any of its names, also without a class; small defects as much as large ones."""

import numpy as np
import pytest
import torch
from pictures import picture, some

from defectgen.utility.losses import balanced, named_loss, names_of_places
from defectgen.utility.types import UNKNOWN, Picture


def classes_of(*pictures: Picture) -> torch.Tensor:
    return torch.stack([torch.tensor(one.classes, dtype=torch.int64) for one in pictures])


def pixel_loss(logits: torch.Tensor, *pictures: Picture) -> torch.Tensor:
    named = names_of_places(classes_of(*pictures), 3, 64)
    return balanced(named_loss(logits, named), ~named[:, 0])


def test_with_one_name_it_is_the_cross_entropy() -> None:
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1, 0])
    named = torch.nn.functional.one_hot(labels, 3).bool()
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(named_loss(logits, named), expected)


def test_a_defect_without_a_class_teaches_that_it_is_some_defect() -> None:
    """At equal logits good is pushed down and the defect classes up, equally so."""
    logits = torch.zeros(1, 3, requires_grad=True)
    named_loss(logits, torch.tensor([[False, True, True]])).sum().backward()
    assert logits.grad is not None
    good, one, other = logits.grad[0].tolist()
    assert good > 0 > one and one == pytest.approx(other)


@pytest.mark.parametrize("side", [4, 64])
def test_a_place_is_named_by_the_defects_it_shows_anything_of(side: int) -> None:
    named = names_of_places(classes_of(picture(1, 2, side=5), picture(2, UNKNOWN, side=5), picture(3)), 3, side)
    shown = classes_of(picture(1, 2, side=5), picture(2, UNKNOWN, side=5), picture(3)) > 0
    touched = torch.nn.functional.max_pool2d(shown[:, None].float(), 64 // side)[:, 0] > 0
    assert torch.equal(~named[:, 0], touched) and touched[:2].any(dim=(1, 2)).all() and not touched[2].any()
    assert torch.equal(named[0, 2], touched[0]) and not named[0, 1].any()
    assert torch.equal(named[1, 1], touched[1]) and torch.equal(named[1, 2], touched[1])


def test_a_small_defect_counts_as_much_as_a_large_one_and_as_all_that_is_good() -> None:
    small, large = picture(1, 1, side=2), picture(2, 1, side=24)
    logits = torch.zeros(2, 3, 64, 64, requires_grad=True)
    pixel_loss(logits, small, large).backward()
    assert logits.grad is not None
    pull = logits.grad[:, 1].clamp(max=0).sum(dim=(1, 2))
    torch.testing.assert_close(pull[0], pull[1])
    torch.testing.assert_close(pull.sum(), logits.grad[:, 0].clamp(max=0).sum())


def test_a_batch_without_defects_has_a_loss() -> None:
    assert pixel_loss(torch.zeros(2, 3, 64, 64), *some(2)) == pytest.approx(np.log(3) / 2)
