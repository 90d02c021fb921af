"""Counted operations against counts by hand, and the order in which contenders take turns."""

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.nn.layers import SelfAttention
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.speed.stopwatch import ROUNDS, Contender, Figure, count_flops, interleave

CONVOLUTION = 2 * (2 * 8 * 10 * 12) * (3 * 5 * 5)  # twice (every output number) x (the numbers it is summed from)


@pytest.mark.parametrize(("of_the_picture", "passes"), [(False, 2), (True, 3)])
def test_a_convolution_costs_the_same_forward_and_for_each_gradient(of_the_picture: bool, passes: int) -> None:
    convolution, x = nn.Conv2d(3, 8, 5, padding=2), torch.ones(2, 3, 10, 12, requires_grad=of_the_picture)
    assert count_flops(lambda: convolution(x)) == CONVOLUTION
    assert count_flops(lambda: convolution(x).sum().backward()) == passes * CONVOLUTION


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_unets_operations_are_those_of_its_layers(spec: DataSpec, layout: torch.memory_format) -> None:
    network = UNet(spec, width=16).to(memory_format=layout)  # type: ignore[call-overload]
    by_hand = 0

    def add(layer: nn.Module, given: tuple[Tensor], answer: Tensor) -> None:
        nonlocal by_hand
        if isinstance(layer, SelfAttention):
            batch, channels, height, width = answer.shape
            by_hand += 2 * 2 * batch * channels * (height * width) ** 2  # queries by keys, then those by values
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            by_hand += 2 * answer.numel() * layer.weight[0].numel()

    x = torch.zeros(2, 1, 64, 64)
    cond = Condition(x, torch.ones_like(x), torch.tensor([1, 2]), 3)
    hooks = [layer.register_forward_hook(add) for layer in network.modules()]
    network(x, torch.zeros(2), cond)
    for hook in hooks:
        hook.remove()
    assert by_hand > 1e8
    assert count_flops(lambda: network(x, torch.zeros(2), cond)) == by_hand


def test_a_share_is_the_floor_over_the_median() -> None:
    figure = Figure(6e9, [3.0, 100.0, 4.0, 5.0, 2.0])
    assert (figure.floor(2e9), figure.share(2e9)) == (3.0, 0.75)
    assert figure.quartiles == (3.0, 5.0)
    assert Figure(6e9, [4.0]).quartiles == (4.0, 4.0)


class Noted(Contender):
    """Takes `lasts` seconds of a clock that stands still otherwise."""

    def __init__(self, name: str, lasts: float, diary: list[str], clock: list[float]) -> None:
        self.name, self.lasts, self.diary, self.clock = name, lasts, diary, clock

    def go(self) -> None:
        self.diary.append(self.name)
        self.clock[0] += self.lasts

    def forget(self) -> None:
        self.diary.append(f"forget {self.name}")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_contenders_warm_up_and_then_take_turns(clock: list[float]) -> None:
    """The short one fills its turn, the one that is longer than a turn is called once in each."""
    diary: list[str] = []
    interleave([Noted("short", 0.5, diary, clock), Noted("long", 5, diary, clock)], seconds=ROUNDS)
    assert diary == ["short", "forget short", "long", "forget long", *["short", "short", "long"] * ROUNDS]
