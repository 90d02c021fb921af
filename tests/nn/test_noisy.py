"""NoisyClassifier: what reaches its logits, and that all of it can be trained."""

from dataclasses import replace

import pytest
import torch
from oracles import SPEC, randn, square_region
from torch import Tensor
from torch.nn import functional

from defectgen.condition import Condition
from defectgen.nn.noisy import NoisyClassifier
from defectgen.spec import DataSpec

CLASSES = len(SPEC.classes)


def build(channels: int = 1, patch_size: int = 2) -> NoisyClassifier:
    torch.manual_seed(0)
    return NoisyClassifier(replace(SPEC, channels=channels, size=16), 8, (1, 2), patch_size)


def perturbed(channels: int = 1, patch_size: int = 2) -> NoisyClassifier:
    """No layer is zero any more."""
    network = build(channels, patch_size).eval()
    for number, parameter in enumerate(network.parameters()):
        parameter.data += 0.1 * randn(*parameter.shape, seed=number)
    return network


def inputs(channels: int = 1) -> tuple[Tensor, Tensor, Condition]:
    cond = Condition(randn(4, channels, 16, 16, seed=1), square_region(4, 16, 6), torch.tensor([0, 1, 2, 3]), CLASSES)
    return randn(4, channels, 16, 16), torch.tensor([-4.0, -1.0, 0.0, 4.0]), cond


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("patch_size", [1, 2])
def test_it_starts_by_finding_every_class_as_likely(channels: int, patch_size: int) -> None:
    logits = build(channels, patch_size)(*inputs(channels))
    assert logits.shape == (4, CLASSES) and not logits.any()


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_but_the_label_is_told(channels: int) -> None:
    network, (x, level, cond) = perturbed(channels), inputs(channels)
    plain = network(x, level, cond)
    others = {
        "picture": network(x + 1, level, cond),
        "level": network(x, level + 0.5, cond),
        "context": network(x, level, replace(cond, context=cond.context.flip(0))),
        "region": network(x, level, replace(cond, region=square_region(4, 16, 9))),
    }
    for what, logits in others.items():
        assert not torch.isclose(logits, plain).all(dim=1).any(), f"{what} makes no difference"
    assert torch.equal(network(x, level, cond.unconditional()), plain), "it would only have to repeat the label"


def test_a_picture_does_not_depend_on_its_batch_mates() -> None:
    network, (x, level, cond) = perturbed(), inputs()
    alone = Condition(cond.context[:1], cond.region[:1], cond.label[:1], CLASSES)
    torch.testing.assert_close(network(x, level, cond)[:1], network(x[:1], level[:1], alone))


def test_gradient_reaches_every_parameter() -> None:
    """Layers that start at zero block those behind them for a step each."""
    network, (x, level, cond) = build(), inputs()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(4):
        optimizer.zero_grad()
        functional.cross_entropy(network(x, level, cond), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    starved = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert starved == []


def test_default_network_fits_a_laptop() -> None:
    network = NoisyClassifier(DataSpec(3, ["good", *"abcdefgh"], 0.3, 64))
    assert 0.2e6 < sum(parameter.numel() for parameter in network.parameters()) < 2e6
