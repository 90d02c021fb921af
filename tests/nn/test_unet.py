"""UNet: shapes, what reaches its answer, and that all of it can be trained."""

from dataclasses import replace

import pytest
import torch
from oracles import SPEC, randn, square_region
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone
from defectgen.nn.layers import SelfAttention
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

CASES = [(channels, patch_size) for channels in (1, 3) for patch_size in (1, 2)]
DROPPED = len(SPEC.classes)


def build(channels: int = 1, patch_size: int = 2) -> UNet:
    torch.manual_seed(0)
    return UNet(replace(SPEC, channels=channels, size=16), 8, (1, 2), attention=(8,), patch_size=patch_size)


def perturbed(channels: int = 1, patch_size: int = 2) -> UNet:
    """No layer is zero any more."""
    network = build(channels, patch_size).eval()
    for number, parameter in enumerate(network.parameters()):
        parameter.data += 0.1 * randn(*parameter.shape, seed=number)
    return network


def inputs(channels: int = 1) -> tuple[Tensor, Tensor, Condition]:
    cond = Condition(randn(4, channels, 16, 16, seed=1), square_region(4, 16, 6), torch.tensor([0, 1, 2, 3]), DROPPED)
    return randn(4, channels, 16, 16), torch.tensor([-4.0, -1.0, 0.0, 4.0]), cond


@pytest.mark.parametrize(("channels", "patch_size"), CASES)
def test_answer_has_the_pictures_shape_and_starts_at_zero(channels: int, patch_size: int) -> None:
    x, level, cond = inputs(channels)
    answer = build(channels, patch_size)(x, level, cond)
    assert answer.shape == x.shape and answer.dtype == torch.float32
    assert not answer.any()


@pytest.mark.parametrize(("channels", "patch_size"), CASES)
def test_everything_told_changes_the_answer(channels: int, patch_size: int) -> None:
    network, (x, level, cond) = perturbed(channels, patch_size), inputs(channels)
    plain = network(x, level, cond)
    assert plain.isfinite().all()
    other = {
        "picture": network(x + 1, level, cond),
        "level": network(x, level + 0.5, cond),
        "label": network(x, level, replace(cond, label=(cond.label + 1) % 4)),
        "context": network(x, level, replace(cond, context=cond.context.flip(0))),
        "region": network(x, level, replace(cond, region=1 - cond.region)),
    }
    for what, answer in other.items():
        assert not torch.isclose(answer, plain).all(dim=(1, 2, 3)).any(), f"{what} makes no difference"


def test_dropped_is_a_label_of_its_own() -> None:
    network, (x, level, cond) = perturbed(), inputs()
    answers = [network(x[:1], level[:1], label_only(cond, label)) for label in range(DROPPED + 1)]
    for number, answer in enumerate(answers):
        assert not any(torch.allclose(answer, other) for other in answers[:number])


def label_only(cond: Condition, label: int) -> Condition:
    return Condition(cond.context[:1], cond.region[:1], torch.tensor([label]), cond.dropped)


def test_a_picture_does_not_depend_on_its_batch_mates() -> None:
    network, (x, level, cond) = perturbed(), inputs()
    alone = network(x[:1], level[:1], label_only(cond, 0))
    torch.testing.assert_close(network(x, level, cond)[:1], alone)


def test_one_pixel_reaches_the_whole_picture() -> None:
    """Through the coarsest map and its attention: a defect is one thing."""
    network, (x, level, cond) = perturbed(), inputs()
    moved = x.clone()
    moved[:, :, 0, 0] += 3
    assert ((network(moved, level, cond) - network(x, level, cond)).abs().amin(dim=(0, 1)) > 0).all()


@pytest.mark.parametrize(("channels", "patch_size"), CASES)
def test_gradient_reaches_every_parameter(channels: int, patch_size: int) -> None:
    """Layers that start at zero block those behind them for a step each: the last, then each block's own."""
    network, (x, level, cond) = build(channels, patch_size), inputs(channels)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(4):
        optimizer.zero_grad()
        (network(x, level, cond) - x).square().mean().backward()
        optimizer.step()
    starved = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert starved == []


@pytest.mark.parametrize("patch_size", [1, 2])
def test_attention_runs_on_the_maps_it_was_asked_for(patch_size: int) -> None:
    """And once in the middle; on 64 px maps it would cost more than all the rest."""
    network, sides = UNet(SPEC, 8, (1, 1, 1), attention=(16,), patch_size=patch_size), list[int]()

    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        sides.append(given[0].shape[-1])

    for layer in network.modules():
        if isinstance(layer, SelfAttention):
            layer.register_forward_pre_hook(note)
    network(torch.zeros(1, 1, 64, 64), torch.zeros(1), blank())
    lowest = 64 // patch_size // 4
    assert sides == ([16] * 4 if lowest == 16 else [16, lowest, 16, 16])


def blank() -> Condition:
    return Condition(torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64), torch.zeros(1, dtype=torch.long), DROPPED)


def test_default_network_fits_a_laptop() -> None:
    network = UNet(DataSpec(3, ["good", *"abcdefgh"], 0.3, 64))
    assert isinstance(network, Backbone)
    assert 0.5e6 < sum(parameter.numel() for parameter in network.parameters()) < 4e6


@pytest.mark.parametrize("width", [20, 56])
def test_widths_that_no_round_number_of_groups_divides(width: int) -> None:
    network = UNet(replace(SPEC, size=16), width, (1, 2, 3))
    x = randn(1, SPEC.channels, 16, 16)
    cond = Condition(x, square_region(1, 16, 8), torch.zeros(1, dtype=torch.long), DROPPED)
    assert network(x, torch.zeros(1), cond).shape == x.shape
