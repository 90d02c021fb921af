"""What is shown of the classes an inpainter knows while it is taught new ones: pictures that it draws of them itself.

The real pictures of those classes need not be at hand: the earlier network's weights are what is left of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from defectgen.diffusion.denoise import Denoiser
from defectgen.diffusion.guide import Clip
from defectgen.diffusion.solve import DDPM
from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import Mask, from_float, write_image, write_mask
from defectgen.imaging.region import REACH, grow
from defectgen.learn.asked import Asked
from defectgen.learn.checkpoint import Checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.patches import Patches, any_of
from defectgen.learn.precision import Precision
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, make_id, make_seed, mask_row, table
from defectgen.spec import DataSpec

PER_CLASS = 32  # pictures of each of the earlier classes
STEPS = 30  # without guidance, whose pictures are not those the earlier network holds for likely
BATCH = 16


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
