"""How an inpainter is taught new classes from a few pictures without losing those it knows.

It is held to what it said before, of pictures that it drew of its own classes (Ruiz et al. 2023, DreamBooth, sec. 3.2),
and learns first and foremost what it looks the new classes up by (Gal et al. 2023, textual inversion): the rest of it
follows slowly.
"""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from defectgen.diffusion.denoise import Denoiser, noised
from defectgen.diffusion.noise import Schedule
from defectgen.errors import UserError
from defectgen.learn.checkpoint import Checkpoint, describe, load_checkpoint, named
from defectgen.learn.data import Example
from defectgen.learn.module import DiffusionModule
from defectgen.learn.task import Task
from defectgen.nn.inherit import Inheriting
from defectgen.spec import DataSpec

NEW, REST = 7.5, 0.05  # learning rates of the new classes' entries and of all else, over that of a whole training


class Entries(NamedTuple):
    """The table (N, size) in which a network looks classes up, and which of its rows (N,) bool stand for new ones."""

    table: Tensor
    new: Tensor


def earlier_inpainter(init_from: str | Path, task: Task, schedule: Schedule, block: str) -> Checkpoint:
    """The user's own inpainter, whose classes are to be preserved. `block` is that of the YAML, for the user.

    task, schedule: those of the training that is to preserve them, in which it will be asked.

    Raises:
        UserError: there is none to start from, it cannot be read, or it cannot be asked: it was trained for another
            task or other noise levels.
    """
    if init_from in ("prior", "none"):
        raise UserError(
            f"{block}.preserve: init_from: {init_from} knows no classes of yours; give init_from the folder "
            "`checkpoint` that an earlier training has written, or leave preserve out"
        )
    earlier = load_checkpoint(Path(init_from))
    if describe(earlier.task) != describe(task):
        raise UserError(f"{block}.preserve: {init_from} was trained for {named(earlier.task)}, not {named(task)}")
    if schedule.lowest < earlier.schedule.lowest or schedule.highest > earlier.schedule.highest:
        raise UserError(f"{block}.preserve: {init_from} was trained on fewer noise levels; take its schedule")
    return earlier


def entries_to_learn(denoiser: Denoiser, earlier: Checkpoint, spec: DataSpec, block: str) -> Entries:
    """What the new classes of a `united` spec are looked up by, of a denoiser that started as the earlier one.

    Raises:
        UserError: none is new, it is told classes otherwise than the earlier one, or has no entry for a new one alone.
    """
    network, taught = denoiser.network, earlier.denoiser.network
    assert isinstance(network, Inheriting) and isinstance(taught, Inheriting)
    if len(spec.classes) == len(earlier.spec.classes):
        raise UserError(f"{block}.preserve: no class here is new to the network of init_from; leave preserve out")
    if describe(network.term) != describe(taught.term):
        raise UserError(
            f"{block}.preserve: the network of init_from is told {named(taught.term)}, not {named(network.term)}; use "
            "the same term"
        )
    count, entries = len(earlier.spec.classes), [set(network.told.entries(*each)) for each in enumerate(spec.classes)]
    new = [each.difference(*entries[:count]) for each in entries[count:]]
    for name, own in zip(spec.classes[count:], new, strict=True):
        if not own:
            raise UserError(
                f"{block}.preserve: {named(network.term)} has no entry for {name!r} alone; give the class a word of "
                "its own, tell it by Label, or leave preserve out"
            )
    table = network.told.table.weight
    return Entries(table, torch.isin(torch.arange(len(table)), torch.tensor(sorted(set().union(*new)))))


def united(earlier: DataSpec, spec: DataSpec) -> DataSpec:
    """The spec with the earlier classes under their own numbers, and after them those that are new."""
    return replace(spec, classes=[*earlier.classes, *(name for name in spec.classes if name not in earlier.classes)])


class Preserving(DiffusionModule):
    """Of the pictures that are mixed in it is to say what the earlier denoiser says (Li & Hoiem 2016).

    Its answer takes the picture's place, and what the noisy picture then differs by that of the noise. The pictures
    themselves, of which each is only one that could be, would teach it to draw them ever smoother.

    Args:
        entries: of the classes; those that are not new stay as they are.
    """

    def __init__(self, denoiser: Denoiser, *arguments: Any, entries: Entries, **settings: Any) -> None:
        super().__init__(denoiser, *arguments, **settings)
        self.entries = entries
        self._earlier = [deepcopy(denoiser).requires_grad_(False)]  # in a list it is no part of what is trained

    def learning(self) -> list[dict[str, Any]]:
        """Were all as fast, AdamW would move what the new pictures hardly ask for as far as what they do ask for."""
        rest = [parameter for parameter in self.parameters() if parameter is not self.entries.table]
        return [
            {"params": [self.entries.table], "lr": NEW * self.learning_rate, "weight_decay": 0.0},
            {"params": rest, "lr": REST * self.learning_rate},
        ]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        gradient = self.entries.table.grad
        assert gradient is not None, "every example is looked up in it"
        gradient[~self.entries.new] = 0

    def loss(self, batch: Example) -> Tensor:
        return super().loss(self._answered(batch) if "mixed_in" in batch else batch)

    @torch.no_grad()
    def _answered(self, batch: Example) -> Example:
        x0, sigma, cond = batch["x0"], self.schedule.draw(batch["uniform"]), self.told(batch, self.classes)
        x = noised(x0, batch["noise"], sigma, cond)
        said = torch.where(cond.region > 0, self._earlier[0].to(x.device)(x, sigma, cond), x0)
        rest = (x - said) / sigma.to(x.dtype).reshape(-1, 1, 1, 1)
        mixed_in = batch["mixed_in"].reshape(-1, 1, 1, 1)
        return batch | {
            "x0": torch.where(mixed_in, said, x0),
            "noise": torch.where(mixed_in, rest, batch["noise"]),
        }
