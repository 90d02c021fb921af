"""The segmenter's network: its sizes, and what a pixel's logits may depend on."""

import pytest
import torch

from defectgen.nn.segmenter import Segmenter
from defectgen.spec import DataSpec


@pytest.mark.parametrize(("channels", "size"), [(1, 64), (3, 80), (1, 176)])
def test_gives_one_logit_per_class_and_pixel(channels: int, size: int) -> None:
    spec = DataSpec(channels, ["good", "pit", "scratch"], 0.3, size)
    assert Segmenter(spec, width=8)(torch.zeros(2, channels, size, size)).shape == (2, 3, size, size)


def test_is_small(spec: DataSpec) -> None:
    assert 0.4e6 < sum(parameter.numel() for parameter in Segmenter(spec).parameters()) < 0.6e6


def test_logits_depend_on_no_batch_mate_even_while_training(spec: DataSpec) -> None:
    pictures = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    network = Segmenter(spec).train()
    torch.testing.assert_close(network(pictures)[2:3], network(pictures[2:3]), rtol=1e-4, atol=1e-5)


def test_a_pixel_s_logits_are_its_own(spec: DataSpec) -> None:
    """The gradient of a pixel's logits is strongest about the pixel: nothing is mirrored or shuffled on the way."""
    torch.manual_seed(0)
    network = Segmenter(spec)
    for y, x in ((13, 50), (40, 22), (61, 3)):
        pictures = torch.randn(1, 1, 64, 64, requires_grad=True)
        network(pictures)[0, :, y, x].square().sum().backward()
        assert pictures.grad is not None
        weight = pictures.grad[0, 0].abs()
        nearby = weight[max(0, y - 8) : y + 8, max(0, x - 8) : x + 8]
        assert nearby.mean() > 5 * weight.mean()


def test_every_parameter_learns_once_the_blocks_have_left_zero(spec: DataSpec) -> None:
    torch.manual_seed(0)
    network = Segmenter(spec, width=8)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    classes = torch.randint(0, 3, (4, 64, 64))
    for _ in range(2):  # in the first step nothing flows back through the zero convolutions
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(torch.randn(4, 1, 64, 64)), classes).backward()
        optimizer.step()
    still = [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert still == []
