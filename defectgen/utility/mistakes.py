"""The worst mistakes as pictures: which test pictures a detector judges most wrongly, what they are and were called."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from defectgen.imaging.files import from_float
from defectgen.imaging.sheet import Rgb, outlined, sheet, to_rgb
from defectgen.utility.figures import call
from defectgen.utility.types import Picture, Reading

CELL, CAPTION, EACH = 192, 32, 6  # pixels of a picture and of what is written under it; mistakes of each class


def worst(
    readings: Sequence[tuple[Reading, float]],
    pictures: Mapping[str, Picture],
    classes: Sequence[str],
    each: int = EACH,
) -> Rgb:
    """A sheet with a row per true class: its pictures that were called wrongly, the least believed true class first.

    Args:
        readings: per seed one with scores, of the same pictures in the same order, and the defect probability from
            which a picture is called defective.
        pictures: picture_id -> the picture; its true defects are outlined in the sheet.
        classes: "good" first, in order of their numbers.
        each: pictures per class at most.
    """
    first = readings[0][0]
    believed, calls = np.zeros(len(first.truth)), []
    for reading, decision in readings:
        assert reading.scores is not None
        believed += np.where(reading.truth, reading.scores, 0).max(axis=1)
        calls.append(call(reading.scores, decision))
    wrong = [[int(said[i]) for said in calls if not first.truth[i, said[i]]] for i in range(len(believed))]
    order = [int(i) for i in np.argsort(believed, kind="stable") if wrong[i]]
    rows: list[list[Rgb]] = []
    names: list[str] = []
    for number, label in enumerate(classes):
        if mine := [i for i in order if first.truth[i].argmax() == number][:each]:
            told = [_told(wrong[i], classes, len(readings)) for i in mine]
            rows.append([_tile(pictures[first.picture_ids[i]], words) for i, words in zip(mine, told, strict=True)])
            names.append(f"is {label}")
    return sheet(rows or [[]], names or ["no mistakes"], cell=CELL + CAPTION)


def _told(wrong: Sequence[int], classes: Sequence[str], seeds: int) -> str:
    """What it was called most often when it was called wrongly, and by how many of the seeds."""
    number, count = Counter(wrong).most_common(1)[0]
    return f"called {classes[number]}, {count} of {seeds}"


def _tile(picture: Picture, caption: str) -> Rgb:
    """The picture with its defects outlined and a line under it."""
    pixels = Image.fromarray(to_rgb(from_float(picture.pixels, np.dtype(np.uint8))))
    defects = Image.fromarray(picture.classes > 0).resize((CELL, CELL), Image.Resampling.NEAREST)
    canvas = np.full((CELL + CAPTION, CELL + CAPTION, 3), 255, np.uint8)
    canvas[:CELL, :CELL] = outlined(np.asarray(pixels.resize((CELL, CELL))), np.asarray(defects))
    image = Image.fromarray(canvas)
    ImageDraw.Draw(image).text((2, CELL + 4), caption, fill=(0, 0, 0), font=ImageFont.load_default(13))
    return np.asarray(image)
