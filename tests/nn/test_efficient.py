"""EfficientUNet: shapes, what reaches its answer, that it works on every side, and what it costs."""

from dataclasses import replace

import pytest
import torch
from oracles import SPEC, randn, square_region
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone
from defectgen.learn.checkpoint import build, describe
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.layers import ResidualBlock
from defectgen.spec import DataSpec
from defectgen.speed.stopwatch import count_flops

CASES = [(channels, upsampled) for channels in (1, 3) for upsampled in (False, True)]
DROPPED = len(SPEC.classes)


def spec_of(channels: int, upsampled: bool) -> DataSpec:
    return replace(SPEC, channels=channels, size=16, upsampled=upsampled)


def fresh(channels: int = 1, upsampled: bool = True) -> EfficientUNet:
    """Its stride is 4."""
    torch.manual_seed(0)
    return EfficientUNet(spec_of(channels, upsampled), 8, (1, 2), (1, 2), patch_size=2)


def perturbed(channels: int = 1, upsampled: bool = True) -> EfficientUNet:
    """No layer is zero any more."""
    network = fresh(channels, upsampled)
    for number, parameter in enumerate(network.parameters()):
        parameter.data += 0.1 * randn(*parameter.shape, seed=number)
    return network


def inputs(
    channels: int = 1, upsampled: bool = True, shape: tuple[int, int] = (16, 16)
) -> tuple[Tensor, Tensor, Condition]:
    context, region = randn(4, spec_of(channels, upsampled).context, *shape, seed=1), torch.zeros(4, 1, *shape)
    region[..., 1:7, 2:8] = 1
    noised = torch.tensor([-3.0, -2.0, -1.0, 0.0]) if upsampled else None
    cond = Condition(context, region, torch.tensor([0, 1, 2, 3]), DROPPED, noised)
    return randn(4, channels, *shape), torch.tensor([-4.0, -1.0, 0.0, 4.0]), cond


@pytest.mark.parametrize(("channels", "upsampled"), CASES)
@pytest.mark.parametrize("shape", [(16, 16), (24, 40)])
def test_answer_has_the_pictures_shape_whatever_its_sides(
    channels: int, upsampled: bool, shape: tuple[int, int]
) -> None:
    x, level, cond = inputs(channels, upsampled, shape)
    answer = perturbed(channels, upsampled)(x, level, cond)
    assert answer.shape == x.shape and answer.dtype == torch.float32
    assert answer.isfinite().all() and answer.std() > 0


@pytest.mark.parametrize(("channels", "upsampled"), CASES)
def test_answer_starts_at_zero(channels: int, upsampled: bool) -> None:
    assert not fresh(channels, upsampled)(*inputs(channels, upsampled)).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_told_changes_the_answer(channels: int) -> None:
    network, (x, level, cond) = perturbed(channels), inputs(channels)
    surroundings, low = cond.context.chunk(2, dim=1)
    assert cond.augmentation is not None
    told = {
        "label": replace(cond, label=(cond.label + 1) % 4),
        "surroundings": replace(cond, context=torch.cat([surroundings.flip(0), low], dim=1)),
        "low-resolution picture": replace(cond, context=torch.cat([surroundings, low.flip(0)], dim=1)),
        "region": replace(cond, region=1 - cond.region),
        "augmentation": replace(cond, augmentation=cond.augmentation + 0.5),
    }
    other = {what: network(x, level, changed) for what, changed in told.items()}
    other |= {"picture": network(x + 1, level, cond), "level": network(x, level + 0.5, cond)}
    plain = network(x, level, cond)
    for what, answer in other.items():
        assert not torch.isclose(answer, plain).all(dim=(1, 2, 3)).any(), f"{what} makes no difference"


def test_level_and_augmentation_are_not_the_same_to_it() -> None:
    network, (x, level, cond) = perturbed(), inputs()
    swapped = network(x, cond.augmentation, replace(cond, augmentation=level))
    assert not torch.allclose(swapped, network(x, level, cond))


def test_a_picture_does_not_depend_on_its_batch_mates() -> None:
    network, (x, level, cond) = perturbed(), inputs()
    assert cond.augmentation is not None
    alone = Condition(cond.context[:1], cond.region[:1], cond.label[:1], DROPPED, cond.augmentation[:1])
    torch.testing.assert_close(network(x, level, cond)[:1], network(x[:1], level[:1], alone))


def test_a_stain_moved_by_the_stride_moves_the_answer() -> None:
    """On even ground, which moving the stain leaves the statistics of: normalisation then sees no difference."""
    network, side, moved_by = perturbed(), 192, (4, -8)
    stain = torch.full((1, 1, side, side), 0.3)
    stain[..., 90:101, 93:98] += randn(11, 5)
    even = torch.full((1, 2, side, side), -0.2)
    cond = Condition(even, torch.ones(1, 1, side, side), torch.tensor([1]), DROPPED, torch.zeros(1))
    answers = [network(x, torch.zeros(1), cond) for x in (stain, stain.roll(moved_by, (2, 3)))]
    interior = (..., slice(56, -56), slice(56, -56))
    expected, found = answers[0].roll(moved_by, (2, 3))[interior], answers[1][interior]
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("channels", "upsampled"), CASES)
def test_gradient_reaches_every_parameter(channels: int, upsampled: bool) -> None:
    network, (x, level, cond) = perturbed(channels, upsampled), inputs(channels, upsampled)
    told_dropped = replace(cond, label=torch.tensor([0, 1, 2, DROPPED]))
    (network(x, level, told_dropped) - x).square().mean().backward()
    starved = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert starved == []


def test_most_blocks_run_where_the_maps_are_small() -> None:
    network, sides = EfficientUNet(replace(SPEC, upsampled=True), 8, (1, 1, 2), (1, 2, 3), patch_size=2), list[int]()

    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        sides.append(given[0].shape[-1])

    for layer in network.modules():
        if isinstance(layer, ResidualBlock):
            layer.register_forward_pre_hook(note)
    cond = Condition(torch.zeros(1, 2, 64, 64), square_region(1, 64, 9), torch.tensor([1]), DROPPED, torch.zeros(1))
    network(torch.zeros(1, 1, 64, 64), torch.zeros(1), cond)
    assert sides == [32, 16, 16, 8, 8, 8, 8, 8, 8, 8, 16, 16, 32]


@pytest.mark.parametrize("blocks", [(1, 2), (1, 0, 2), (1, 2, 3, 4)])
def test_blocks_are_a_number_for_each_resolution(blocks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blocks must be 3 numbers above 0"):
        EfficientUNet(SPEC, 8, (1, 2, 3), blocks)


def test_a_checkpoint_finds_it_again() -> None:
    network = perturbed()
    again = build(describe(network), Backbone, spec_of(1, True))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(*inputs()), network(*inputs()))


def test_default_network_fits_a_laptop() -> None:
    """At most 15 GFLOP for a 256 px colour picture: 12 steps of two calls in a second or two on 2 cores."""
    with torch.device("meta"):
        network = EfficientUNet(DataSpec(3, ["good", *"abcdefgh"], 0.3, 256, upsampled=True))
        x, one = torch.zeros(1, 3, 256, 256), torch.zeros(1)
        cond = Condition(torch.cat([x, x], dim=1), x[:, :1], one.long(), 9, one)
        flops = count_flops(lambda: network(x, one, cond))
    assert 2e6 < sum(parameter.numel() for parameter in network.parameters()) < 4e6
    assert 1e9 < flops < 15e9
