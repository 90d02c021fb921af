"""Names of classes: text as the user wrote it, fit to name a folder, and never two that look the same to a person."""

from collections.abc import Mapping
from unicodedata import normalize

from defectgen.errors import BadInput
from defectgen.manifest import GOOD


def check_label(where: object, label: object, counts: Mapping[str, int]) -> str:
    """The label, if it can be one.

    counts: label -> pictures, of the whole data set; of labels that differ only by case the rarer ones are refused.

    Raises:
        BadInput: it is no text, cannot name a folder, or is another label in other letters.
    """
    if not isinstance(label, str):
        raise BadInput(where, f"label {label!r} is no text", 'put it into quotes: "012", "no"')
    if label.strip() != label or label in ("", ".", "..") or not label.isprintable() or set(label) & set("/\\"):
        raise BadInput(where, f"label {label!r}", "name its class with a word that can name a folder")
    for other in sorted({*counts, GOOD}):
        if other != label and _same(other, label) and _rank(other, counts) > _rank(label, counts):
            raise BadInput(where, f"label {label!r} differs from {other!r} only by case", f"write it {other}")
    return label


def _same(one: str, other: str) -> bool:
    return normalize("NFC", one).casefold() == normalize("NFC", other).casefold()


def _rank(label: str, counts: Mapping[str, int]) -> tuple[bool, int, str]:
    """Which of several spellings is meant: ours of the clean class, then the commonest."""
    return label == GOOD, counts.get(label, 0), label
