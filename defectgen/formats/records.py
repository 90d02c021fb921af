"""What every annotation format reads into: one Record per picture, its path, its defects, its group and split."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from defectgen.manifest import Manifest


@dataclass(frozen=True)
class Annotation:
    """One annotated mask: its defect class and its file (another region of the same picture may have another)."""

    label: str
    mask: Path


@dataclass(frozen=True)
class Record:
    """One picture of a source folder; no annotations means it is clean.

    where: what a message about this picture names (a file, or a table and its row).
    group: pictures of one group never part at the split; None: the picture is its own group.
    split: one of manifest.SPLITS as supplied by the user; None: ingest assigns it.
    """

    image: Path
    where: str
    annotations: list[Annotation] = field(default_factory=list)
    group: str | None = None
    split: str | None = None


class Reader(ABC):
    """Reads one layout of a source folder."""

    @abstractmethod
    def recognises(self, root: Path) -> bool:
        """Whether the folder looks like this layout."""

    @abstractmethod
    def read(self, root: Path) -> list[Record]:
        """List the pictures in a fixed order; opens no picture.

        Raises:
            UserError: the layout is broken; names the file and the mend.
        """


class Writer(ABC):
    """Writes a synthetic data set in one layout."""

    @abstractmethod
    def write(self, synthetic: Manifest, clean: Manifest, out: Path) -> None:
        """Write accepted synthetic pictures and the clean training pictures below `out`."""
