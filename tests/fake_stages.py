"""Small stages for the tests of the command line: every kind of key a real stage has, done in a millisecond."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from defectgen.steps import Step

CALLS: list[str] = []  # what ran, in order
CRASHES: list[BaseException] = []  # what `patch` runs into


class Schedule(ABC):
    @abstractmethod
    def sigma(self) -> float: ...


class Cosine(Schedule):
    def __init__(self, shift: float = 1.0) -> None:
        if shift <= 0:
            raise ValueError("shift must be above 0")
        self.shift = shift

    def sigma(self) -> float:
        return self.shift


class Linear(Schedule):
    def sigma(self) -> float:
        return 0.0


class Guide(ABC):
    @abstractmethod
    def scale_at(self) -> float: ...


class ClassifierFree(Guide):
    def __init__(self, scale: float = 1.5) -> None:
        self.scale = scale

    def scale_at(self) -> float:
        return self.scale


class Dynamic(Guide):
    def scale_at(self) -> float:
        return 1.0


class Network:
    def __init__(self, channels: int) -> None:
        self.channels = channels


class UNet(Network):
    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__(channels)
        self.width = width


@dataclass(frozen=True)
class Fractions:
    train: float = 0.5
    test: float = 0.5


def draw(out: Path, seed: int, *, count: int = 2) -> str:
    """Draw pictures."""
    CALLS.append("draw")
    return write(out, f"{count} drawn with {seed}")


def ingest(
    out: Path,
    name: str,
    *,
    source: Path,
    layout: Literal["auto", "mvtec"] = "auto",
    fractions: Fractions = Fractions(),
) -> str:
    """Read a folder.

    Args:
        source: folder of pictures
    """
    CALLS.append("ingest")
    return write(out, name + layout + "".join(sorted(path.read_text() for path in source.iterdir())))


def patch(out: Path, ingest: Path, *, size: int = 64) -> str:
    """Write a patch; how many there were before shows whether the folder was kept. It crashes while CRASHES say so."""
    CALLS.append(f"patch {len(list(out.glob('*.patch')))}")
    (out / f"{size}.patch").write_text("1")
    if CRASHES:
        raise CRASHES.pop()
    return write(out, f"{len((ingest / 'made').read_text())} pictures at {size}")


def train(
    out: Path,
    patch: Path,
    *,
    network: Callable[[int], Network] = UNet,
    schedule: Schedule = Cosine(),  # noqa: B008
    rate: float | Literal["auto"] = 4e-4,
) -> str:
    """Train."""
    CALLS.append("inpaint")
    return write(out, f"{vars(network(3))} {schedule.sigma()} {rate} {(patch / 'made').read_text()}")


def critic(out: Path, patch: Path) -> str:
    """Train the critic, which has no settings."""
    CALLS.append("critic")
    return write(out, (patch / "made").read_text())


def generate(
    out: Path,
    inpaint: Path,
    critic: Path,
    *,
    guides: Sequence[Guide] = (ClassifierFree(2.0), Dynamic()),
    note: str = "",
) -> str:
    """Generate."""
    CALLS.append("generate")
    return write(out, " ".join(f"{type(guide).__name__} {guide.scale_at()}" for guide in guides))


def write(out: Path, text: str) -> str:
    """Write what was made; its digest."""
    (out / "made").write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


STEPS = (
    Step("draw", "fake_stages:draw", "draw pictures", optional=True),
    Step("ingest", "fake_stages:ingest", "read a folder"),
    Step("patch", "fake_stages:patch", "cut patches"),
    Step("train.inpaint", "fake_stages:train", "train the inpainter"),
    Step("train.critic", "fake_stages:critic", "train the critic"),
    Step("generate", "fake_stages:generate", "draw defects"),
)
