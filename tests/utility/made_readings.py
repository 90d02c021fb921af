"""Readings made up from numbers, for the tests of figures, choices and intervals."""

from collections.abc import Sequence

import numpy as np

from defectgen.utility.readings import read
from defectgen.utility.types import Counts, Picture, Prediction, Reading

LABELS = ["good", "crack", "pit", "stain"]


def made_reading(
    named: Sequence[int | tuple[int, ...]], scores: object, groups: Sequence[str] | None = None, classes: int = 4
) -> Reading:
    """Of pictures with one or several class numbers each, and their (N, K) scores."""
    truth = np.zeros((len(named), classes), bool)
    for row, numbers in enumerate(named):
        truth[row, list(numbers) if isinstance(numbers, tuple) else [numbers]] = True
    ids = [f"picture-{number}" for number in range(len(named))]
    return Reading(ids, list(groups or ids), truth, np.asarray(scores, np.float32), None)


def random_reading(
    seed: int, skill: float = 1.0, pictures: int = 60, each: int = 2, classes: int = 4, ties: bool = False
) -> Reading:
    """Of noisy scores, the truer the more skill; `each` pictures per group; the truth is the same for every seed."""
    named = [number % 8 % classes for number in range(pictures)]
    logits = np.random.default_rng(seed).normal(size=(pictures, classes)) + skill * np.eye(classes)[named]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    groups = [f"part-{number // each}" for number in range(pictures)]
    return made_reading(named, np.round(scores, 1) if ties else scores, groups, classes)


def random_maps(seed: int, pictures: int = 6, size: int = 24, classes: int = 4) -> tuple[list[Picture], Prediction]:
    """Pictures with a square defect each, the last ones good, and probability maps that see it dimly."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(pictures):
        pixels = np.zeros((size, size), np.uint8)
        label = 1 + number % (classes - 1) if number < pictures - 2 else 0
        pixels[4:12, 4 : 8 + number] = label
        named = np.arange(classes) == label
        blank = np.zeros((1, size, size), np.float32)
        made.append(Picture(f"picture-{number}", f"part-{number // 2}", blank, pixels, named, []))
    logits = random.normal(size=(pictures, classes, size, size))
    logits += 1.5 * (np.stack([picture.classes for picture in made])[:, None] == np.arange(classes)[:, None, None])
    maps = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return made, Prediction(scores=maps.mean(axis=(2, 3)).astype(np.float32), maps=maps.astype(np.float32))


def map_reading(seed: int, pictures: int = 6) -> Reading:
    """A reading with both scores and counts."""
    return read(*random_maps(seed, pictures))


def repeated(reading: Reading, times: np.ndarray) -> Reading:
    """Every picture as often as `times` (N,) says."""
    rows = np.repeat(np.arange(len(times)), times)
    counts = reading.counts
    return Reading(
        [reading.picture_ids[row] for row in rows],
        [reading.groups[row] for row in rows],
        reading.truth[rows],
        None if reading.scores is None else reading.scores[rows],
        None if counts is None else Counts(**{name: part[rows] for name, part in vars(counts).items()}),
    )
