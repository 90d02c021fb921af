"""What the pictures of a source folder let one expect: how many there are of each class, and of what kind they are."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from defectgen.checks.together import Seen
from defectgen.errors import BadInput
from defectgen.imaging.square import MIN_SIDE
from defectgen.manifest import GOOD
from defectgen.problems import Problems

HEADER = ("class", "pictures", "defects", "groups", "what to expect")
FEW_DEFECTS, MORE_DEFECTS, FEW_CLEAN = 5, 20, 20  # pictures
DARK = 0.25  # of the range of 16 bit; where nothing is brighter the camera had fewer bits


def class_table(seen: Sequence[Seen]) -> list[tuple[object, ...]]:
    """A header and one row per class; a picture with several classes counts for each."""
    rows: list[tuple[object, ...]] = [HEADER]
    for label, shown in _by_label(seen).items():
        groups = len({one.group for one in shown})
        defects = sum(one.defects.count(label) for one in shown)
        rows.append((label, len(shown), defects, groups, _expectation(label, len(shown))))
    return rows


def summary(seen: Sequence[Seen]) -> list[str]:
    """Sizes, channels, depths, classes and groups of the usable pictures, a line each."""
    sizes = Counter(f"{one.width} x {one.height}" for one in seen)
    kinds = Counter(f"{'grey' if one.channels == 1 else 'colour'} of {one.depth} bit" for one in seen)
    common = [f"{size} ({count})" for size, count in sizes.most_common(3)]
    others = [f"{len(sizes) - 3} other sizes"] if len(sizes) > 3 else []
    shown = ", ".join([*common, *others, *(f"{kind} ({count})" for kind, count in kinds.most_common())])
    lines = [f"{len(seen)} pictures can be used: {shown}"]
    if len(_by_label(seen)) == 2:
        lines.append("one class: a detector can learn defect or not, the gates cannot check the class")
    if not any(one.record.group for one in seen):
        lines.append("no groups: say in a table which pictures show the same part, or training and test share parts")
    return lines


def note_counts(seen: Sequence[Seen], root: Path, problems: Problems) -> None:
    """Note the classes that are too few, or too much of one group, to train and to test on."""
    shown = _by_label(seen)
    clean = len(shown[GOOD])
    if not clean:
        problems.refuse(BadInput(root, "no clean pictures", f"put some into {GOOD}/: defects are drawn on them"))
    elif clean < FEW_CLEAN:
        problems.warn(root, f"{clean} clean pictures", f"give {FEW_CLEAN} or more: defects are drawn on them")
    if len(shown) == 1:
        problems.refuse(BadInput(root, "no defects", "give pictures of a defect with their masks"))
    for label, pictures in shown.items():
        if label != GOOD and len(pictures) < FEW_DEFECTS:
            what = f"{len(pictures)} pictures of {label}, too few to train on"
            problems.warn(root, what, f"give {FEW_DEFECTS} or more")
        if len(pictures) > 1 and len({one.group for one in pictures}) == 1:
            what = f"all {len(pictures)} pictures of {label} are of one group"
            problems.warn(root, what, "it falls into one split: add other parts, to train and to test on it")
        splits = {one.record.split for one in pictures}
        if None not in splits and splits and "train" not in splits:
            problems.refuse(BadInput(root, f"no {label} in the split train", "give it some: no other is learned from"))


def note_pixels(seen: Sequence[Seen], root: Path, problems: Problems) -> None:
    """Note pictures of another depth than most, of fewer bits than they have room for, and very small ones."""
    depths = Counter(one.depth for one in seen)
    usual = max(depths, key=lambda depth: (depths[depth], depth), default=None)
    for one in seen:
        if one.depth != usual:
            problems.warn(one.record.image, f"{one.depth} bit, most pictures have {usual}", "save all alike")
        if min(one.width, one.height) < MIN_SIDE:
            what = f"{one.width} x {one.height} pixels, regions of {MIN_SIDE} are cut"
            problems.warn(one.record.image, what, "photograph it larger: what is missing is mirrored")
    brightest = max((one.brightest for one in seen if one.depth == 16), default=2**16)
    if brightest < DARK * 2**16:
        what = f"no pixel of the 16 bit pictures is above {brightest}"
        problems.warn(root, what, f"multiply them by {2 ** (16 - brightest.bit_length())}: white is 65535")


def _by_label(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    """The pictures that show each class, the clean ones first."""
    labels = sorted({label for one in seen for label in one.defects})
    shown = {label: [one for one in seen if label in one.defects] for label in labels}
    return {GOOD: [one for one in seen if not one.defects]} | shown


def _expectation(label: str, pictures: int) -> str:
    if label == GOOD:
        return "enough to draw on" if pictures >= FEW_CLEAN else "few: the same surfaces come again and again"
    if pictures < FEW_DEFECTS:
        return "too few to train on"
    return "enough to start with" if pictures >= MORE_DEFECTS else "few: little variety of shapes"
