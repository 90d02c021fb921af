"""Names of classes: text as the user wrote it, fit to name a folder, and never two that look the same to a person."""

from collections.abc import Mapping
from functools import cache
from unicodedata import normalize

from defectgen.errors import BadInput
from defectgen.manifest import GOOD

LONGEST = 60  # letters; the name of a folder has room for 255 bytes


def check_label(where: object, label: object, counts: Mapping[str, int]) -> str:
    """The label, if it can be one.

    counts: label -> pictures, of the whole data set; of labels that differ only by case the rarer ones are refused.

    Raises:
        BadInput: it is no text, cannot name a folder, or is another label in other letters.
    """
    if not isinstance(label, str):
        raise BadInput(where, f"label {label!r} is no text", 'put it into quotes: "012", "no"')
    odd = label.strip() != label or not label.isprintable() or set(label) & set("/\\")
    if odd or not 0 < len(label) <= LONGEST or label.startswith("."):  # a dot hides a folder
        raise BadInput(where, f"label {label[: LONGEST + 1]!r}", "name its class with a word that can name a folder")
    spelled = _spelled(label)
    same = [other for other in {*counts, GOOD} if _spelled(other) == spelled]
    meant = max([*same, label], key=lambda other: _rank(other, counts))
    if meant != label:
        raise BadInput(where, f"label {label!r} differs from {meant!r} only by case", f"write it {meant}")
    return label


@cache
def _spelled(label: str) -> str:
    """A label as it is compared."""
    return normalize("NFC", label).casefold()


def _rank(label: str, counts: Mapping[str, int]) -> tuple[bool, int, str]:
    """Which of several spellings is meant: ours of the clean class, then the commonest."""
    return label == GOOD, counts.get(label, 0), label
