"""export: write the data set in the formats detectors read, and the card that says whether it helps."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from defectgen.errors import UserError
from defectgen.formats import WRITERS
from defectgen.formats.card import FILE, card
from defectgen.imaging.files import write_atomic
from defectgen.manifest import Manifest
from defectgen.utility.verdict import Verdict, load


def export(
    out: Path,
    ingest: Path,
    generate: Path,
    evaluate: Path,
    *,
    formats: list[Literal["mvtec", "coco"]] = ["mvtec", "coco"],  # noqa: B006 - never changed
    although_it_hurts: bool = False,
) -> str:
    """Write the accepted synthetic pictures and the clean training pictures, once per format, and DATASET_CARD.md.

    Args:
        out: folder with one sub-folder per format.
        ingest: folder of the real pictures.
        generate: folder of the synthetic ones.
        evaluate: folder of the study whether they help.
        formats: which formats.
        although_it_hurts: write them even if the study found that detectors do worse with them.

    Raises:
        UserError: the data set hurts.
    """
    verdict = load(evaluate)
    if not although_it_hurts:
        _refuse_harm(verdict, evaluate)
    synthetic, clean = Manifest.load(generate), Manifest.load(ingest)
    for name in formats:
        WRITERS[name].write(synthetic, clean, out / name)
        print(f"  {len(synthetic.images)} synthetic pictures in {out / name}")
    write_atomic(out / FILE, card(synthetic, clean, verdict, [*formats]).encode())
    # File contents follow from the two manifests, the verdict and the writers, so their digests stand for them.
    parts = [synthetic.digest(), clean.digest(), json.dumps(asdict(verdict), sort_keys=True), *sorted(formats)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _refuse_harm(verdict: Verdict, evaluate: Path) -> None:
    if verdict.state == "hurts":
        raise UserError(
            f"{evaluate}: the data set {verdict.sentence}; see its utility.md; train longer or change the gates, "
            "or export it all the same with `--export.although_it_hurts true`"
        )
