"""One picture with its masks: what cannot be used is refused, what a person should see is noted."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import disc, picture

from defectgen.checks.picture import examine
from defectgen.errors import BadInput
from defectgen.formats.masks import MaskFile, Polygons
from defectgen.formats.records import Annotation, Record
from defectgen.imaging.files import Mask, write_image, write_mask
from defectgen.problems import Problems

SHAPE = (200, 300)


def record(folder: Path, *masks: Mask, stated: tuple[int, int] | None = None) -> Record:
    """A picture with annotated masks."""
    write_image(folder / "a.png", picture(0, SHAPE))
    annotations = []
    for number, mask in enumerate(masks):
        write_mask(folder / f"m{number}.png", mask)
        annotations.append(Annotation(("pit", "crack")[number % 2], MaskFile(folder / f"m{number}.png")))
    return Record(folder / "a.png", "table row 2", annotations, stated=stated)


def warnings(record: Record) -> list[str]:
    problems = Problems()
    examine(record, problems)
    assert not problems.errors()
    return [problem.what for problem in problems.all()]


def test_every_defect_knows_its_annotation(tmp_path: Path) -> None:
    two = disc(50, 50, 10, SHAPE) | disc(250, 150, 12, SHAPE)
    sample = examine(record(tmp_path, two, disc(100, 100, 9, SHAPE), stated=SHAPE), Problems())
    assert [(d.label, d.annotation, d.number) for d in sample.defects] == [
        ("pit", 0, 0),
        ("pit", 0, 1),
        ("crack", 1, 0),
    ]
    assert np.array_equal(sample.defects[0].mask | sample.defects[1].mask, two)


@pytest.mark.parametrize("stated", [(300, 200), (200, 301), (1, 1)])
def test_what_was_annotated_for_another_size_is_refused_even_when_clean(
    tmp_path: Path, stated: tuple[int, int]
) -> None:
    words = rf"table row 2: made for {stated[1]} x {stated[0]} pixels, its picture has 300 x 200; draw it on"
    with pytest.raises(BadInput, match=words):
        examine(record(tmp_path, stated=stated), Problems())


def test_polygons_that_hold_nothing_are_an_empty_mask(tmp_path: Path) -> None:
    line = Polygons.parse("annotation 7", [[10, 10, 10, 10, 10, 10]], SHAPE)
    bare = record(tmp_path)
    with pytest.raises(BadInput, match="annotation 7: an empty mask"):
        examine(Record(bare.image, bare.where, [Annotation("pit", line)]), Problems())


def _line(length: int, width: int) -> Mask:
    mask = np.zeros((700, 700), bool)
    mask[100 : 100 + width, 20 : 20 + length] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "small"),
    [
        (disc(50, 50, 0, (700, 700)), True),  # one pixel
        (disc(50, 50, 2, (700, 700)), False),
        (_line(3, 1), True),
        (_line(640, 1), False),  # thin, yet seen: every pixel it touches counts
        (disc(50, 50, 0, (700, 700)) | disc(600, 600, 40, (700, 700)), True),
    ],
)
def test_defects_that_nobody_could_see_are_noted(tmp_path: Path, mask: Mask, small: bool) -> None:
    write_image(tmp_path / "a.png", picture(0, mask.shape))
    write_mask(tmp_path / "m.png", mask)
    noted = warnings(Record(tmp_path / "a.png", "a", [Annotation("pit", MaskFile(tmp_path / "m.png"))]))
    assert [what for what in noted if "cover under 4 pixels of a 64 px region" in what] == noted
    assert bool(noted) == small


@pytest.mark.parametrize(("how", "noted"), [(1, False), (2, True), (3, True), (6, False), (8, False)])
def test_a_turned_picture_is_noted_where_its_mask_cannot_tell(tmp_path: Path, how: int, noted: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = how
    Image.fromarray(picture(0, SHAPE)).save(tmp_path / "a.png", exif=exif)
    shown = SHAPE[::-1] if how in (6, 8) else SHAPE
    write_mask(tmp_path / "m.png", disc(50, 50, 9, shown))
    whats = warnings(Record(tmp_path / "a.png", "a", [Annotation("pit", MaskFile(tmp_path / "m.png"))]))
    assert whats == (["EXIF turns it, and its mask fits it either way"] if noted else [])
