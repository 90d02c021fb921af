"""What every annotation format reads into: one Record per picture, its path, its defects, its group and split."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from defectgen.formats.masks import MaskSource, Size
from defectgen.formats.tree import Tree
from defectgen.imaging.files import is_picture
from defectgen.manifest import Manifest
from defectgen.problems import Problems


@dataclass(frozen=True)
class Annotation:
    """One annotated mask and its defect class (another region of the same picture may have another)."""

    label: str
    mask: MaskSource


@dataclass(frozen=True)
class Record:
    """One picture of a source folder; no annotations means it is clean.

    where: what a message about this picture names (a file, or a table and its row).
    group: pictures of one group never part at the split; None: the picture is its own group.
    split: one of manifest.SPLITS as supplied by the user; None: ingest assigns it.
    stated: height and width its annotations were made for, where the format says so.
    """

    image: Path
    where: str
    annotations: list[Annotation] = field(default_factory=list)
    group: str | None = None
    split: str | None = None
    stated: Size | None = None

    @property
    def labels(self) -> list[str]:
        """Its defect classes, sorted."""
        return sorted({annotation.label for annotation in self.annotations})


@dataclass
class Listing:
    """The pictures of a source folder that nothing speaks against so far, in a fixed order.

    tree: the files of the folder, those that belong to a picture claimed.
    problems: what is wrong with the others.
    """

    root: Path
    tree: Tree
    problems: Problems
    records: list[Record] = field(default_factory=list)


class Reader(ABC):
    """Reads one layout of a source folder."""

    @abstractmethod
    def recognises(self, root: Path) -> bool:
        """Whether the folder looks like this layout."""

    @abstractmethod
    def fill(self, listing: Listing) -> None:
        """Add a record for each picture of the layout, and a problem for each row that makes none.

        Raises:
            UserError: the layout as a whole is broken; names the file and the mend.
        """

    def read(self, root: Path) -> Listing:
        """List the pictures; opens none.

        Raises:
            UserError: the layout as a whole is broken; names the file and the mend.
        """
        listing = Listing(root, Tree(root), Problems())
        self.fill(listing)
        for error in listing.tree.refused():
            path = Path(error.where)
            if is_picture(path) or path.is_dir():
                listing.problems.refuse(error, path)
            else:
                listing.problems.warn(error.where, error.what, error.mend)
        lost = listing.problems.lost()
        listing.records = [record for record in listing.records if str(record.image) not in lost]
        return listing


class Writer(ABC):
    """Writes a synthetic data set in one layout."""

    @abstractmethod
    def write(self, synthetic: Manifest, clean: Manifest, out: Path) -> None:
        """Write accepted synthetic pictures and the clean training pictures below `out`."""
