"""Prior preservation: how an inpainter is taught a new class from a few pictures without losing those it knows.

It is held to what it said before, of pictures that it drew of its own classes (Ruiz et al. 2023, DreamBooth, sec. 3.2),
and learns first and foremost what it looks the new class up by (Gal et al. 2023, textual inversion): the rest of it
follows slowly. The real pictures of its classes need not be at hand: its weights are what is left of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from defectgen.diffusion.denoise import Denoiser, noised
from defectgen.diffusion.guide import Clip
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.solve import DDPM
from defectgen.drawing.teacher import Teacher
from defectgen.errors import UserError
from defectgen.imaging.files import Mask, from_float, write_image, write_mask
from defectgen.imaging.region import REACH, grow
from defectgen.learn.asked import Asked
from defectgen.learn.checkpoint import Checkpoint, describe, load_checkpoint, named
from defectgen.learn.data import Example
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches, any_of
from defectgen.learn.precision import Precision
from defectgen.learn.task import Task
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, make_id, make_seed, mask_row, table
from defectgen.nn.embed import Rows
from defectgen.nn.inherit import Inheriting
from defectgen.spec import DataSpec

PER_CLASS = 32  # pictures of each of the earlier classes
STEPS = 30  # without guidance, whose pictures are not those the earlier network holds for likely
BATCH = 16
NEW, OLD = 7.5, 0.05  # learning rates of the new classes' rows and of all else, over that of a whole training


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


def rows_to_learn(denoiser: Denoiser, earlier: Checkpoint, init_from: str | Path, block: str) -> Rows:
    """What the new classes are looked up by, of a denoiser that started as the earlier one.

    Raises:
        UserError: it looks up none, it is told classes otherwise than the earlier one, or none of them is new.
    """
    network, taught = denoiser.network, earlier.denoiser.network
    assert isinstance(network, Inheriting) and isinstance(taught, Inheriting)
    rows = network.told.rows(len(earlier.spec.classes))
    if rows is None:
        raise UserError(f"{block}.preserve: {named(network.term)} looks no class up, so it learns no new one")
    if describe(network.term) != describe(taught.term):
        raise UserError(f"{block}.preserve: {init_from} is told {named(taught.term)}, not {named(network.term)}")
    if not rows.new.any():
        raise UserError(f"{block}.preserve: no class here is new to {init_from}; leave preserve out")
    return rows


def united(earlier: DataSpec, spec: DataSpec) -> DataSpec:
    """The spec with the earlier classes under their own numbers, and after them those that are new."""
    return replace(spec, classes=[*earlier.classes, *(name for name in spec.classes if name not in earlier.classes)])


def preserved(
    folder: Path,
    denoiser: Denoiser,
    earlier: Checkpoint,
    patches: Patches,
    spec: DataSpec,
    precision: Precision,
    seed: int,
) -> Patches:
    """The pictures that are kept in `folder`, drawn now where they are not there yet: PER_CLASS of each earlier class.

    Every class in turn, on the product's clean training patches, in shapes that the prior's teacher draws: the earlier
    defects' own are not at hand, and in those of a new class all classes soon look the same.

    denoiser: the earlier one, before it is taught anything, for the classes of `spec`.
    """
    if not (folder / "images.parquet").is_file():  # the last file that is written
        levels = earlier.schedule.trajectory(STEPS)
        inpainter = Inpainter(denoiser, levels, len(spec.classes), DDPM(), [Clip()], precision, earlier.task)
        lessons = list(_lessons(patches, spec, earlier.spec.classes[1:], seed))
        _save(folder, patches, _drawn(inpainter, patches, lessons, spec))
    return Patches(Manifest.load(folder), spec, "train").beside(patches)


class Preserving(DiffusionModule):
    """Of the pictures that are mixed in it is to say what the earlier denoiser says (Li & Hoiem 2016).

    Its answer takes the picture's place, and what the noisy picture then differs by that of the noise. The pictures
    themselves, of which each is only one that could be, would teach it to draw them ever smoother.

    Args:
        rows: the table in which it looks classes up; those of its rows that are not new stay as they are.
    """

    def __init__(self, denoiser: Denoiser, *arguments: Any, rows: Rows, **settings: Any) -> None:
        super().__init__(denoiser, *arguments, **settings)
        self.rows = rows
        self._earlier = [deepcopy(denoiser).requires_grad_(False)]  # in a list it is no part of what is trained

    def learning(self) -> list[dict[str, Any]]:
        """Were all as fast, AdamW would move what the new pictures hardly ask for as far as what they do ask for."""
        rest = [parameter for parameter in self.parameters() if parameter is not self.rows.table]
        return [
            {"params": [self.rows.table], "lr": NEW * self.learning_rate, "weight_decay": 0.0},
            {"params": rest, "lr": OLD * self.learning_rate},
        ]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        gradient = self.rows.table.grad
        assert gradient is not None, "every example is looked up in it"
        gradient[~self.rows.new] = 0

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


class _Lesson(NamedTuple):
    """A defect to draw: its class, the patches whose defect it is like and that it is drawn on, shape (H, W), seed."""

    label: str
    donor: int
    ground: int
    shape: Mask
    seed: int


def _lessons(patches: Patches, spec: DataSpec, classes: Sequence[str], seed: int) -> Iterator[_Lesson]:
    teacher = Teacher(spec.size, make_seed(seed, "preserved shapes"))
    for number in range(PER_CLASS * len(classes)):
        rng = np.random.default_rng((make_seed(seed, "preserved"), number))
        ground = any_of(rng, patches.good) if patches.good else patches.draw_defect(rng)
        label, donor, shape = classes[number % len(classes)], patches.draw_defect(rng), teacher(number).mask
        yield _Lesson(label, donor, ground, shape, int(rng.integers(2**62)))


def _drawn(
    inpainter: Inpainter, patches: Patches, lessons: Sequence[_Lesson], spec: DataSpec
) -> Iterator[tuple[_Lesson, NDArray[np.float32]]]:
    """Each lesson with what the inpainter makes of it, (C, H, W)."""
    with tqdm(total=len(lessons), desc="draw what is to be preserved", unit="patch", disable=None) as bar:
        for start in range(0, len(lessons), BATCH):
            few = lessons[start : start + BATCH]
            grounds = np.stack([patches.pictures[one.ground] for one in few])
            regions, asked = (
                np.stack([grow(one.shape, REACH) for one in few]),
                [_asked(patches, one, spec) for one in few],
            )
            pictures = inpainter.padded(grounds, regions, asked, [one.seed for one in few], BATCH)
            yield from zip(few, pictures, strict=True)
            bar.update(len(few))


def _asked(patches: Patches, lesson: _Lesson, spec: DataSpec) -> Asked:
    donor, number = lesson.donor, spec.number(lesson.label)
    return Asked.like(patches.pictures[donor], patches.masks[donor], number, lesson.label, lesson.shape, False)


def _save(folder: Path, patches: Patches, drawn: Iterable[tuple[_Lesson, NDArray[np.float32]]]) -> None:
    """Write them as a manifest; 16 bits hold whatever depth the product has."""
    images: list[Row] = []
    instances: list[Row] = []
    for number, (lesson, picture) in enumerate(drawn):
        name, pixels = make_id("preserved", number), from_float(picture, np.dtype(np.uint16))
        image_path, mask_path = f"images/{name}.png", f"masks/{name}.png"
        write_image(folder / image_path, pixels)
        write_mask(folder / mask_path, lesson.shape)
        row = image_row(name, image_path, pixels, "train", name, clean_id=patches.ids[lesson.ground])
        images.append(row | {"source_id": name})
        defect = mask_row(name, name, lesson.label, mask_path, lesson.shape)
        instances.append(defect | {"at_edge": False})
    Manifest(folder, table(images, IMAGES), table(instances, INSTANCES)).save()
