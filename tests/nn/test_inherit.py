"""Starting from a prior: what a grey network answers, and what the classes of a product begin as."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from oracles import randn, square_region

from defectgen.condition import Condition
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.embed import ANY_DEFECT
from defectgen.nn.inherit import Inheriting
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

TAUGHT, CLASSES = ["good", "defect", "crack, small", "pit, large"], ["good", "pit", "scratch"]
SIDE = 16
# of each row of a batch the same, in the numbers of the prior and in those of the product
THEIRS, OURS = torch.tensor([0, ANY_DEFECT, ANY_DEFECT, len(TAUGHT)]), torch.tensor([0, 1, 2, len(CLASSES)])
NUMBERS = [0, ANY_DEFECT, ANY_DEFECT]

Network = Callable[[DataSpec], Inheriting]
UNETS = [partial(UNet, width=8, multipliers=(1, 2), attention=(8,), patch_size=size) for size in (1, 2)]
EFFICIENT = partial(EfficientUNet, width=8, multipliers=(1, 2), blocks=(1, 2), patch_size=2)
each_network = pytest.mark.parametrize("network", [*UNETS, EFFICIENT], ids=["UNet", "UNet of squares", "EfficientUNet"])
each_task = pytest.mark.parametrize("upsampled", [False, True], ids=["inpainter", "upsampler"])


def prior_of(network: Network, upsampled: bool) -> Inheriting:
    """For colour pictures; none of its layers is zero."""
    torch.manual_seed(0)
    prior = network(DataSpec(3, TAUGHT, 0.4, SIDE, upsampled=upsampled)).eval()
    for number, parameter in enumerate(prior.parameters()):
        parameter.data += 0.1 * randn(*parameter.shape, seed=number)
    return prior


def product_of(network: Network, upsampled: bool, channels: int) -> Inheriting:
    torch.manual_seed(1)
    return network(DataSpec(channels, CLASSES, 0.2, SIDE, upsampled=upsampled)).eval()


@each_task
@each_network
def test_a_grey_network_answers_as_the_colour_one_it_starts_from(network: Network, upsampled: bool) -> None:
    colour, grey = prior_of(network, upsampled), product_of(network, upsampled, 1)
    grey.inherit(colour, NUMBERS)
    x, level, region = randn(4, 1, SIDE, SIDE), torch.tensor([-4.0, -1.0, 0.0, 4.0]), square_region(4, SIDE, 6)
    context = randn(4, 1 + upsampled, SIDE, SIDE, seed=1)  # of an upsampler two pictures
    noised = torch.tensor([-3.0, -2.0, -1.0, 0.0]) if upsampled else None
    repeated = Condition(context.repeat_interleave(3, dim=1), region, THEIRS, len(TAUGHT), noised)
    expected = colour(x.expand(-1, 3, -1, -1), level, repeated).mean(dim=1, keepdim=True)
    assert expected.std() > 0.01
    found = grey(x, level, Condition(context, region, OURS, len(CLASSES), noised))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@each_task
@each_network
def test_a_network_for_colour_takes_over_every_weight_but_those_of_the_classes(
    network: Network, upsampled: bool
) -> None:
    prior, product = prior_of(network, upsampled), product_of(network, upsampled, 3)
    product.inherit(prior, NUMBERS)
    theirs, ours = prior.state_dict(), product.state_dict()
    assert [name for name in ours if "told" not in name and not torch.equal(ours[name], theirs[name])] == []
    assert torch.equal(product.told.table.weight[OURS], prior.told.table.weight[THEIRS])
    assert len(product.told.table.weight) == len(CLASSES) + 1


@each_network
def test_a_prior_is_left_as_it_was(network: Network) -> None:
    prior, untouched = prior_of(network, True), prior_of(network, True).state_dict()
    product_of(network, True, 1).inherit(prior, NUMBERS)
    assert [name for name, value in prior.state_dict().items() if not torch.equal(value, untouched[name])] == []
