"""What a benchmark found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from defectgen.speed.machine import matrix_rate
from defectgen.speed.stopwatch import Figure, Timed


@dataclass(frozen=True)
class Network:
    """A network in one setting, ours or a rival's, and its two contenders; their units are patches."""

    name: str
    parameters: int
    denoising: Timed
    training: Timed


@dataclass(frozen=True)
class Sample:
    """One attempt at a defect: its steps by name, and all of it."""

    steps: Mapping[str, Figure]
    whole: Figure


@dataclass(frozen=True)
class Results:
    """Everything measured, for the page and the chart.

    command: what was run. machine: facts by name. products: the fastest matrix product in each type. ours: this
    product's network. loaded: its training with loading. small: a sample drawn at 64 px. large: one that was then given
    its detail. rivals: other networks. notes: what is missing, and why.
    """

    command: str
    machine: Mapping[str, str]
    products: Mapping[str, Timed]
    ours: Network
    loaded: Figure
    small: Sample
    large: Sample
    rivals: Sequence[Network]
    notes: Sequence[str]

    @property
    def networks(self) -> tuple[Network, ...]:
        """Ours, then the rivals."""
        return self.ours, *self.rivals

    @property
    def fastest(self) -> str:
        """The type of the faster matrix product."""
        return max(self.products, key=lambda name: matrix_rate(self.products[name]))

    @property
    def rate(self) -> float:
        """FLOPs per second of the floor: the best matrix rate measured."""
        return matrix_rate(self.products[self.fastest])
