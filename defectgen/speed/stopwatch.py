"""Fair timing: everything that is compared takes turns, so that whatever else the machine does disturbs all alike.

A figure is work with a counted number of floating-point operations (FLOPs). Its floor is the time those alone take at
the machine's matrix rate, its share of the floor = floor / measured time: 1 is nothing but matrix products at full
speed.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

ROUNDS = 5  # turns that everything gets


@dataclass
class Figure:
    """Seconds per unit of work (a patch, a sample, a product), one number per timed call; `flops` in one unit."""

    flops: float
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper one."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        low, _, high = quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    def floor(self, rate: float) -> float:
        """Seconds per unit at `rate`, in FLOPs per second."""
        return self.flops / rate

    def share(self, rate: float) -> float:
        """The floor over the median; 0 where there are no FLOPs to count."""
        return self.floor(rate) / self.median


class Contender(ABC):
    """Something that is called and timed in turn with others."""

    @abstractmethod
    def go(self) -> None:
        """Make one call and add its time to the figures."""

    @abstractmethod
    def forget(self) -> None:
        """Drop the times so far: the first call allocates, plans and compiles."""


class Timed(Contender):
    """A call that does `units` of work, of `flops` each."""

    def __init__(self, call: Callable[[], object], units: int, flops: float) -> None:
        self.call, self.units, self.figure = call, units, Figure(flops)

    def go(self) -> None:
        start = time.perf_counter()
        self.call()
        finish_device()
        self.figure.seconds.append((time.perf_counter() - start) / self.units)

    def forget(self) -> None:
        self.figure.seconds.clear()


def interleave(contenders: Sequence[Contender], seconds: float) -> None:
    """Warm each up, then let them take turns until each had about `seconds`, at least one call in every turn."""
    with tqdm(total=(ROUNDS + 1) * len(contenders), desc="benchmark", unit="turn", disable=None) as bar:
        for contender in contenders:
            contender.go()
            contender.forget()
            bar.update()
        for _ in range(ROUNDS):
            for contender in contenders:
                end = time.perf_counter() + seconds / ROUNDS
                contender.go()
                while time.perf_counter() < end:
                    contender.go()
                bar.update()


def count_flops(call: Callable[[], object]) -> int:
    """FLOPs of the matrix products and convolutions a call makes, forward and backward; a multiply-add is two.

    Attention is made of plain products while counting: torch does not count its fused form on every device.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def noise(*shape: int, device: torch.device) -> Tensor:
    """Standard normal numbers; zeros would draw less current and let a GPU run faster than it does in use."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)


def finish_device() -> None:
    """Wait until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
