"""Condition: what an upsampler is told of its low-resolution picture goes wherever the picture goes."""

from dataclasses import replace

import torch
from oracles import condition, randn

COND = replace(condition(randn(2, 1, 4, 4)), augmentation=torch.tensor([-2.0, 0.5]))


def test_the_augmentation_is_never_dropped_and_doubled_with_its_picture() -> None:
    for half in COND.doubled(), COND.unconditional():
        assert half.augmentation is not None
        levels, pictures = half.augmentation.split(2), half.context.split(2)
        assert all(torch.equal(level, torch.tensor([-2.0, 0.5])) for level in levels)
        assert len(levels) == len(pictures)


def test_an_inpainter_is_told_of_none() -> None:
    plain = condition(randn(2, 1, 4, 4))
    assert plain.augmentation is None and plain.doubled().augmentation is None


def test_what_is_told_in_words_or_by_example_is_dropped_with_the_label() -> None:
    told = replace(condition(randn(2, 1, 4, 4)), text=("a", "b"), reference=randn(2, 2, 4, 4))
    untold = told.unconditional()
    assert untold.text == ("", "") and untold.reference is not None and not untold.reference.any()
    both = told.doubled()
    assert both.text == ("a", "b", "", "") and both.reference is not None and told.reference is not None
    assert torch.equal(both.reference, torch.cat([told.reference, untold.reference]))
