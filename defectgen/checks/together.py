"""What must hold of all pictures together: one content means one thing, one kind of pixels, splits tear nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from defectgen.checks.picture import Sample
from defectgen.errors import BadInput
from defectgen.formats.records import Record
from defectgen.manifest import GOOD
from defectgen.problems import Problems

CHANNELS = {1: "grey", 3: "in colour"}


@dataclass(frozen=True)
class Seen:
    """What is remembered of a picture that has been examined.

    content: its pixel hash. depth: bits per sample. brightest: its highest sample. defects: their labels, one each.
    """

    record: Record
    content: str
    width: int
    height: int
    channels: int
    depth: int
    brightest: int
    defects: list[str]

    @classmethod
    def of(cls, sample: Sample, content: str) -> "Seen":
        """Of a picture whose content has the hash `content`."""
        pixels = sample.pixels
        height, width = pixels.shape[:2]
        channels, depth = (1 if pixels.ndim == 2 else 3), 8 * pixels.dtype.itemsize
        labels = [defect.label for defect in sample.defects]
        return cls(sample.record, content, width, height, channels, depth, int(pixels.max()), labels)

    @property
    def group(self) -> str:
        """The group it was given, else one of its own."""
        return self.record.group or str(self.record.image)


def refuse_contradictions(seen: Sequence[Seen], problems: Problems) -> None:
    """Refuse what stands against another picture: one content with two meanings, and the rarer of grey and colour."""
    by_content = defaultdict(list)
    for one in seen:
        by_content[one.content].append(one)
    for alike in by_content.values():
        for one in alike:
            other = next((other for other in alike if other.record.labels != one.record.labels), None)
            if other:
                what = f"the same picture as {other.record.image}, there {_meaning(other)}, here {_meaning(one)}"
                mend = "keep the right one; several kinds of defects on one picture need COCO"
                problems.refuse(BadInput(one.record.image, what, mend), one.record.image)
    counts = Counter(one.channels for one in seen)
    usual = max(counts, key=lambda channels: (counts[channels], channels), default=1)
    for one in seen:
        if one.channels != usual:
            what = f"{CHANNELS[one.channels]}, most pictures are {CHANNELS[usual]}"
            problems.refuse(BadInput(one.record.image, what, "convert it, or the others"), one.record.image)


def torn_splits(seen: Sequence[Seen]) -> Iterator[BadInput]:
    """What is wrong with splits the user supplied: a picture without one, a content or a group in two of them."""
    supplied = [one for one in seen if one.record.split]
    for one in seen:
        if supplied and not one.record.split:
            yield BadInput(one.record.where, f"{one.record.image} has no split, others have one", "fill the column")
    first: dict[str, Record] = {}
    for one in supplied:
        for key, what in (
            (f"content {one.content}", "the same picture as"),
            (f"group {one.group}", "of one group with"),
        ):
            other = first.setdefault(key, one.record)
            if other.split != one.record.split:
                yield BadInput(one.record.image, f"{what} {other.image}, which is in another split", "mend the table")


def _meaning(one: Seen) -> str:
    return " and ".join(one.record.labels) or GOOD
