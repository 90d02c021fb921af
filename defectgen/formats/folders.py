"""Class folders: `good/` and `<class>/` with pictures, `ground_truth/<class>/` with masks of the same stem.

An optional `metadata.csv` replaces the naming rule: see `formats/rows.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from defectgen.errors import BadInput
from defectgen.formats.labels import check_label
from defectgen.formats.masks import MaskFile
from defectgen.formats.records import Annotation, Listing, Reader, Record
from defectgen.formats.rows import TABLE, read_rows
from defectgen.formats.tree import Tree
from defectgen.manifest import GOOD

MASKS = "ground_truth"


class Folders(Reader):
    """Class folders with an optional CSV."""

    def recognises(self, root: Path) -> bool:
        return (root / TABLE).is_file() or (root / GOOD).is_dir()

    def fill(self, listing: Listing) -> None:
        if (listing.root / TABLE).is_file():
            read_rows(listing)
        else:
            read_classes(listing, [name for name in listing.tree.folders if "/" not in name and name != MASKS])


def read_classes(listing: Listing, folders: Sequence[str]) -> None:
    """The pictures of class folders, each defective one with its mask from MASKS/<class>.

    folders: names below the root; the last part of a name is the class.
    """
    shown = {folder: listing.tree.pictures(folder) for folder in folders}
    counts: Counter[str] = Counter()
    stems: dict[str, Counter[str]] = defaultdict(Counter)
    for folder, images in shown.items():
        counts[Path(folder).name] += len(images)
        stems[Path(folder).name].update(map(_stem, images))
    for folder, images in shown.items():
        label = Path(folder).name
        if not images:
            listing.problems.warn(listing.root / folder, "a class folder without pictures", "fill it or remove it")
        masks = _Masks(listing.tree, label)
        for image in images:
            listing.tree.claim(image)
            try:
                check_label(image, label, counts)
                annotations = [] if label == GOOD else [Annotation(label, masks.of(image, stems[label]))]
            except BadInput as error:
                listing.problems.refuse(error, image)
            else:
                listing.records.append(Record(image, str(image), annotations))


class _Masks:
    """The masks of a class by the name of their picture: `<stem>.*` or `<stem>_mask.*`."""

    def __init__(self, tree: Tree, label: str) -> None:
        self.tree, self.folder = tree, f"{MASKS}/{label}"
        self.by_stem: dict[str, list[Path]] = defaultdict(list)
        for mask in tree.pictures(self.folder):
            self.by_stem[_stem(mask)].append(mask)

    def of(self, image: Path, stems: Counter[str]) -> MaskFile:
        """The one mask of a picture.

        Raises:
            BadInput: it has none, several, or shares it with another picture.
        """
        stem = _stem(image)
        found = [mask for name in (stem, f"{stem}_mask") for mask in self.by_stem.get(name, [])]
        for mask in found:
            self.tree.claim(mask)
        if stems[stem] > 1:
            raise BadInput(image, f"{stems[stem]} pictures of its class are called {stem}", "rename one, and its mask")
        if not found:
            wanted = self.tree.root / self.folder / f"{image.stem}.png"
            raise BadInput(image, f"no mask {wanted}", f"draw one or move the picture to {GOOD}/")
        if len(found) > 1:
            raise BadInput(image, f"two masks, {found[0].name} and {found[1].name}", "keep one of them")
        return MaskFile(found[0])


def _stem(path: Path) -> str:
    """A file's name without its ending, as it is compared."""
    return normalize("NFC", path.stem)
