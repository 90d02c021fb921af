"""validate: every problem of a source folder in one table, and what its pictures let one expect; changes nothing."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from defectgen.checks.alike import Print, note_copies, print_of
from defectgen.checks.expect import class_table, note_counts, note_pixels, summary
from defectgen.checks.picture import examine
from defectgen.checks.stray import note_strays
from defectgen.checks.together import Seen, refuse_contradictions, torn_splits
from defectgen.errors import BadInput
from defectgen.formats import Layout, list_pictures
from defectgen.formats.records import Listing
from defectgen.imaging.files import pixel_hash
from defectgen.problems import HEADER, Problems, aligned, printable

ROWS = 500  # of the table that are shown; the CSV has all


def validate(source: Path, *, layout: Layout = "auto", csv: Path | None = None) -> int:
    """Name every problem of a folder of pictures and masks, and what it lets you expect.

    Args:
        source: the folder, as given to `ingest`.
        layout: how it is laid out; `auto` looks.
        csv: a file to write the table to as well.

    Returns:
        0: no errors; 1: errors, each one a picture that `ingest` leaves out or data that cannot be trained on.

    Raises:
        UserError: no such folder, or a layout that is broken as a whole.
    """
    listing = list_pictures(source, layout)
    problems = listing.problems
    seen, prints = _examine(listing)
    refuse_contradictions(seen, problems)
    lost = problems.lost()
    usable = [one for one in seen if str(one.record.image) not in lost]
    for error in torn_splits(usable):
        problems.refuse(error)
    note_copies(seen, prints, problems)
    note_strays(listing.tree, problems)
    note_pixels(usable, source, problems)
    note_counts(usable, source, problems)
    if csv:
        problems.save(csv)
    _show(problems, usable, source)
    return 1 if problems.errors() else 0


def _examine(listing: Listing) -> tuple[list[Seen], list[Print]]:
    """What is remembered of each picture that can be used."""
    seen, prints = [], []
    for record in tqdm(listing.records, desc="validate", unit="picture", disable=None):
        try:
            sample = examine(record, listing.problems)
        except BadInput as error:
            listing.problems.refuse(error, record.image)
        else:
            seen.append(Seen.of(sample, pixel_hash(sample.pixels)))
            prints.append(print_of(sample.pixels))
    return seen, prints


def _show(problems: Problems, usable: Sequence[Seen], source: Path) -> None:
    """Print the table of problems and that of classes; paths are relative to the folder."""
    found, errors = problems.all(), len(problems.errors())
    rows = [(p.severity, p.where, p.what, p.mend) for p in found[:ROWS]]
    if rows:
        print(aligned([HEADER, *([_relative(text, source) for text in row] for row in rows)]))
    if len(found) > ROWS:
        print(f"... and {len(found) - ROWS} more; --csv FILE writes them all")
    print(f"{errors} errors, {len(found) - errors} warnings", end="\n\n")
    print(aligned(class_table(usable)), end="\n\n")
    print(*summary(usable), sep="\n")


def _relative(text: str, source: Path) -> str:
    root = printable(source)
    return "." if text == root else text.replace(f"{root}/", "")
