"""Readings: predictions reduced to what every figure needs, without the pictures, and their file."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defectgen.errors import BadInput, UserError
from defectgen.imaging.files import write_atomic
from defectgen.utility.types import THRESHOLDS, Counts, Picture, Prediction, Reading

_PARTS = {"picture_ids", "groups", "truth", "thresholds", "parts"}
_COUNTS = {"positives", "total", "hits", "calls"}


def read(pictures: Sequence[Picture], prediction: Prediction) -> Reading:
    """Keep a detector's scores, and count its maps, picture by picture; `pictures` are of one split, val or test.

    Raises:
        UserError: the prediction is not one probability in [0, 1] for each picture, class and pixel.
    """
    truth = np.stack([picture.named for picture in pictures])
    size = pictures[0].classes.shape
    return Reading(
        picture_ids=[picture.picture_id for picture in pictures],
        groups=[picture.group for picture in pictures],
        truth=truth,
        scores=_probabilities("scores", prediction.scores, truth.shape),
        counts=_count(pictures, _probabilities("maps", prediction.maps, (*truth.shape, *size))),
    )


def joined(parts: Sequence[Reading]) -> Reading:
    """One reading of the pictures of all parts, at least one, which one detector was asked about part by part."""
    scores = [part.scores for part in parts if part.scores is not None]
    counts = [vars(part.counts) for part in parts if part.counts is not None]
    return Reading(
        picture_ids=[name for part in parts for name in part.picture_ids],
        groups=[name for part in parts for name in part.groups],
        truth=np.concatenate([part.truth for part in parts]),
        scores=np.concatenate(scores) if scores else None,
        counts=Counts(**{key: np.concatenate([part[key] for part in counts]) for key in _COUNTS}) if counts else None,
    )


def save(path: Path, reading: Reading) -> None:
    """Write a reading as npz without pickles, whole or not at all."""
    arrays = {
        "picture_ids": np.array(reading.picture_ids, dtype=np.str_),
        "groups": np.array(reading.groups, dtype=np.str_),
        "truth": reading.truth,
        "thresholds": THRESHOLDS,
    }
    if reading.scores is not None:
        arrays["scores"] = reading.scores
    if reading.counts is not None:
        arrays |= vars(reading.counts)
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **arrays, parts=np.array(sorted(arrays)))
    write_atomic(path, data.getvalue())


def load(path: Path) -> Reading:
    """Read what `save` wrote.

    Raises:
        UserError: there is no such file, it is damaged, or what it holds is no reading.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, NDArray] = dict(file)
    except Exception as error:  # zipfile and numpy raise nearly anything on damaged bytes
        raise BadInput(path, f"cannot be read as a reading ({error})", "delete it and run evaluate again") from error
    if fault := _fault(arrays):
        raise BadInput(path, fault, "delete it and run evaluate again")
    return Reading(
        picture_ids=arrays["picture_ids"].tolist(),
        groups=arrays["groups"].tolist(),
        truth=arrays["truth"],
        scores=arrays.get("scores"),
        counts=Counts(**{key: arrays[key] for key in _COUNTS}) if arrays.keys() >= _COUNTS else None,
    )


def _probabilities(what: str, values: NDArray[np.float32] | None, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The values, if they are probabilities of this shape."""
    if values is None:
        return None
    if values.shape != shape:
        raise UserError(f"the detector's {what} are {values.shape}; they must be {shape}: mend its predict()")
    if not (values.min() >= 0 and values.max() <= 1):  # so put, nan is noticed as well
        raise UserError(f"the detector's {what} are no probabilities in [0, 1] throughout: mend its predict()")
    return values.astype(np.float32, copy=False)


def _count(pictures: Sequence[Picture], maps: NDArray[np.float32] | None) -> Counts | None:
    if maps is None:
        return None
    number, classes = maps.shape[:2]
    positives = np.zeros((number, classes), np.int64)
    hits, calls = np.zeros((2, number, classes, len(THRESHOLDS)), np.int64)
    for index, picture in enumerate(pictures):
        for label in range(classes):
            probability = maps[index, label] if label else 1 - maps[index, 0]
            positive = picture.classes == label if label else picture.classes != 0
            positives[index, label] = positive.sum()
            hits[index, label] = _at_or_above(probability[positive])
            calls[index, label] = _at_or_above(probability)
    return Counts(positives, np.array([picture.classes.size for picture in pictures], np.int64), hits, calls)


def _at_or_above(probability: NDArray[np.float32]) -> NDArray[np.int64]:
    """(T,) how many pixels reach each threshold."""
    reached = np.searchsorted(THRESHOLDS, probability.ravel(), side="right")
    return np.bincount(reached, minlength=len(THRESHOLDS) + 1)[:0:-1].cumsum()[::-1]


def _fault(arrays: dict[str, NDArray]) -> str:
    """What is wrong with the arrays of a reading's file; empty if nothing is."""
    if missing := _PARTS - arrays.keys():
        return f"holds no {', '.join(sorted(missing))}"
    if set(arrays["parts"].tolist()) != arrays.keys() - {"parts"}:
        return f"holds {', '.join(sorted(arrays))} and not what was written"
    if not np.array_equal(arrays["thresholds"], THRESHOLDS):
        return "was counted at other thresholds than this version uses"
    truth = arrays["truth"]
    if truth.ndim != 2 or truth.dtype != np.bool_:
        return f"truth is {truth.dtype} {truth.shape}, not (pictures, classes) of yes or no"
    curve = (*truth.shape, len(THRESHOLDS))
    number = truth.shape[:1]
    shapes = {"picture_ids": number, "groups": number, "scores": truth.shape}
    shapes |= {"positives": truth.shape, "total": number, "hits": curve, "calls": curve}
    for key, shape in shapes.items():
        if key in arrays and arrays[key].shape != shape:
            return f"{key} is {arrays[key].shape}, not {shape}"
    return _impossible(arrays)


def _impossible(arrays: dict[str, NDArray]) -> str:
    """What no detector can have said, in arrays of the right shapes; empty if all is possible."""
    if "scores" in arrays and not np.all((arrays["scores"] >= 0) & (arrays["scores"] <= 1)):
        return "scores are no probabilities in [0, 1] throughout"
    if arrays.keys() >= _COUNTS:
        positives, hits, calls = arrays["positives"][..., None], arrays["hits"], arrays["calls"]
        if not np.all((hits >= 0) & (hits <= positives) & (hits <= calls) & (calls <= arrays["total"][:, None, None])):
            return "counts contradict each other"
    return ""
