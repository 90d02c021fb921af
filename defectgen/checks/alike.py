"""Pictures that are the same or nearly so: one photograph saved again, scaled or brightened, or a burst of one part.

A picture's print holds one bit for each of 2 x 16 x 16 pairs of neighbours of its miniature: which is the brighter.
Brightness, contrast, scale and compression hardly change it; another part, or another place on it, does.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.checks.together import Seen
from defectgen.imaging.files import Pixels
from defectgen.problems import Problems

SIDE = 16
NEAR = 16  # bits of 512 that may differ
ROWS = 256  # prints that are compared with all others at once
FAR = 3 * NEAR  # more than any pair that is named

Print = NDArray[np.uint64]  # (8,)


def print_of(pixels: Pixels) -> Print:
    """The print of a picture."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey.astype(np.float32), (SIDE + 1, SIDE + 1), interpolation=cv2.INTER_AREA)
    right, below = small[:-1, 1:] > small[:-1, :-1], small[1:, :-1] > small[:-1, :-1]
    return np.packbits(np.stack([right, below])).view(np.uint64)


def note_copies(seen: Sequence[Seen], prints: Sequence[Print], problems: Problems) -> None:
    """Note equal pictures, and nearly equal ones of several classes or that may fall into several splits.

    prints: of the same pictures, in the same order.
    """
    first: dict[str, Seen] = {}
    for one in seen:
        original = first.setdefault(one.content, one)
        if original is not one and original.record.labels == one.record.labels:
            problems.warn(one.record.image, f"the same picture as {original.record.image}", "remove one of them")
    # Of equal pictures one; a plain one is like any.
    single = [n for n, one in enumerate(seen) if first[one.content] is one and prints[n].any()]
    records = [seen[n].record for n in single]
    parts = [seen[n].record.split or seen[n].group for n in single]
    for here, there in near_pairs([prints[n] for n in single], [record.labels for record in records], parts):
        what = f"nearly the same as {records[there].image}"
        if records[here].labels != records[there].labels:
            problems.warn(records[here].image, f"{what}, of another class", "look which is right")
        else:
            mend = "give them one group, if they show the same part"
            problems.warn(records[here].image, f"{what}, which may fall into another split", mend)


def near_pairs(prints: Sequence[Print], labels: Sequence[object], parts: Sequence[object]) -> list[tuple[int, int]]:
    """Each print with the most alike one before it, if at most NEAR bits differ and its label or part does.

    One of another label is named before one of another part. Pictures of one label and part may be as alike as they
    like.
    """
    if not prints:
        return []
    bits, label, part = np.stack(prints), _numbered(labels), _numbered(parts)
    pairs = []
    for start in range(0, len(bits), ROWS):
        rows = np.arange(start, min(start + ROWS, len(bits)))
        before = slice(0, rows[-1] + 1)
        apart = np.zeros((len(rows), rows[-1] + 1), np.uint16)
        for word in range(bits.shape[1]):
            apart += np.bitwise_count(bits[rows, None, word] ^ bits[None, before, word])
        same = label[rows, None] == label[before]
        far = (apart > NEAR) | (np.arange(rows[-1] + 1) >= rows[:, None]) | (same & (part[rows, None] == part[before]))
        cost = np.where(far, FAR, apart + (NEAR + 1) * same)
        nearest = cost.argmin(axis=1)
        found = cost[np.arange(len(rows)), nearest] < FAR
        pairs += list(zip(rows[found].tolist(), nearest[found].tolist(), strict=True))
    return pairs


def _numbered(values: Sequence[object]) -> NDArray[np.int64]:
    """Equal values as equal numbers."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(repr(value), len(numbers)) for value in values])
