"""Problems of a source folder: what `ingest` leaves pictures out for, and what `validate` shows in its table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from defectgen.errors import BadInput
from defectgen.imaging.files import write_atomic

HEADER = ("severity", "file", "what", "mend")


@dataclass(frozen=True, order=True)
class Problem:
    """One line of the table.

    severity: an error makes something unusable; with a warning it is used, and a person should look.
    where: the file, or the table and its row.
    picture: the picture that an error makes unusable, "" where there is none to leave out.
    """

    severity: Literal["error", "warning"]
    where: str
    what: str
    mend: str
    picture: str = ""

    @property
    def subject(self) -> str:
        """What is lost by an error: the picture, or what it is about where no picture is lost."""
        return self.picture or self.where

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


class Problems:
    """The problems found so far."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def refuse(self, error: BadInput, picture: Path | None = None) -> None:
        """Note an error, and the picture that cannot be used because of it."""
        where, what, mend = (printable(text) for text in (error.where, error.what, error.mend))
        self._found.append(Problem("error", where, what, mend, "" if picture is None else str(picture)))

    def warn(self, where: object, what: str, mend: str) -> None:
        """Note a warning."""
        self._found.append(Problem("warning", printable(where), printable(what), printable(mend)))

    def all(self) -> list[Problem]:
        """Each once, errors first, then by place."""
        return sorted(set(self._found))  # "error" stands before "warning"

    def errors(self) -> list[Problem]:
        """Each once, by place."""
        return [problem for problem in self.all() if problem.severity == "error"]

    def lost(self) -> dict[str, Problem]:
        """What cannot be used -> the first error about it."""
        first: dict[str, Problem] = {}
        for problem in self.errors():
            first.setdefault(problem.subject, problem)
        return first

    def save(self, path: Path) -> None:
        """Write them as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(astuple(problem)[: len(HEADER)] for problem in self.all())
        write_atomic(path, text.getvalue().encode())


def printable(text: object) -> str:
    """Text as one line that any terminal and file takes, whatever bytes a file name is made of."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def aligned(rows: Sequence[Sequence[object]]) -> str:
    """Rows of cells as lines with aligned columns; numbers stand to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = (
        "  ".join(
            text.rjust(width) if isinstance(cell, int) else text.ljust(width)
            for cell, text, width in zip(row, line, widths, strict=True)
        ).rstrip()
        for row, line in zip(rows, texts, strict=True)
    )
    return "\n".join(lines)
