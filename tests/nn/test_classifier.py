"""The critic's network: its sizes, and what a patch's logits may depend on."""

import pytest
import torch

from defectgen.learn.checkpoint import build, describe
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec


@pytest.mark.parametrize("channels", [1, 3])
def test_gives_one_logit_per_class(channels: int) -> None:
    spec = DataSpec(channels, ["good", "pit", "scratch"], 0.3, 64)
    assert Classifier(spec)(torch.zeros(5, channels, 64, 64)).shape == (5, 3)


@pytest.mark.parametrize(("patch_size", "first"), [(2, 32), (4, 16)])
def test_a_patch_size_sets_the_first_resolution(patch_size: int, first: int, spec: DataSpec) -> None:
    seen = []
    network = Classifier(spec, patch_size=patch_size)
    network.features[1].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 3)
    assert seen == [(2, 24, first, first)]


def test_a_description_from_before_patch_sizes_builds_the_network_it_was_of(spec: DataSpec) -> None:
    """Weights by name and shape, and so the checkpoints of earlier critics."""
    old = {"class_path": "defectgen.nn.classifier.Classifier", "init_args": {"width": 24, "multipliers": [1, 2, 4]}}
    network = build(old, Classifier, spec)
    shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert shapes["features.1.weight"] == (24, 4, 3, 3)
    assert shapes["features.2.conv_in.weight"] == (24, 24, 3, 3)
    assert shapes["features.6.conv_out.weight"] == (96, 96, 3, 3)
    assert shapes["logits.weight"] == (3, 192)
    assert build(describe(network), Classifier, spec).patch_size == 2


def test_is_small(spec: DataSpec) -> None:
    assert 0.2e6 < sum(parameter.numel() for parameter in Classifier(spec).parameters()) < 0.4e6


def test_logits_depend_on_no_batch_mate_even_while_training(spec: DataSpec) -> None:
    patches = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    network = Classifier(spec).train()
    torch.testing.assert_close(network(patches)[2:3], network(patches[2:3]), rtol=1e-4, atol=1e-5)


def test_every_parameter_learns_once_the_blocks_have_left_zero(spec: DataSpec) -> None:
    torch.manual_seed(0)
    network = Classifier(spec)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):  # in the first step nothing flows back through the zero convolutions
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(torch.randn(6, 1, 64, 64)), torch.arange(6) % 3).backward()
        optimizer.step()
    still = [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert still == []
