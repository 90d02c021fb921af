"""export: write the data set in the formats detectors read."""

import hashlib
from pathlib import Path
from typing import Literal

from defectgen.formats import WRITERS
from defectgen.manifest import Manifest


def export(
    out: Path,
    ingest: Path,
    generate: Path,
    *,
    formats: list[Literal["mvtec", "coco"]] = ["mvtec", "coco"],  # noqa: B006 - never changed
) -> str:
    """Write the accepted synthetic pictures and the clean training pictures, once per format.

    Args:
        out: folder with one sub-folder per format.
        ingest: folder of the real pictures.
        generate: folder of the synthetic ones.
        formats: which formats.
    """
    synthetic, clean = Manifest.load(generate), Manifest.load(ingest)
    for name in formats:
        WRITERS[name].write(synthetic, clean, out / name)
        print(f"  {len(synthetic.images)} synthetic pictures in {out / name}")
    # File contents follow from the two manifests and the writer, so their digests stand for them.
    parts = [synthetic.digest(), clean.digest(), *sorted(formats)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
