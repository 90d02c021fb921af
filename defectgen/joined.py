"""The ingested pictures and the healed ones beside them as one manifest."""

import os
from pathlib import Path

import pandas as pd

from defectgen.manifest import Manifest

PATHS = ("image_path", "legal_path", "mask_path")  # columns that name a file of the manifest's folder


def with_healed(ingest: Path, heal: Path | None) -> Manifest:
    """The ingested manifest; where the step `heal` took part, with the healed pictures as further clean ones.

    Its folder is then the nearest that holds both.

    Raises:
        UserError: a table is missing or breaks its schema.
    """
    real = Manifest.load(ingest)
    if heal is None:
        return real
    healed, root = Manifest.load(heal), Path(os.path.commonpath([ingest, heal]))
    pictures = [_seen_from(root, part.folder, part.images) for part in (real, healed)]
    defects = _seen_from(root, ingest, real.instances)
    return Manifest(root, pd.concat(pictures, ignore_index=True), defects).validated()


def _seen_from(root: Path, folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """A table whose paths begin at `root` instead of at its folder; what has no file has none still."""
    start = folder.relative_to(root).as_posix()
    moved = {name: table[name].map(lambda path: path and f"{start}/{path}") for name in PATHS if name in table}
    return table.assign(**moved)
