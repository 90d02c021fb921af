"""The yardstick of the label is people: what changed when a real defect is healed, against what an annotator marked."""

from datetime import date
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from drawn_products import (
    BATCH,
    CONTROLS,
    DATA,
    PRODUCTS,
    ROOT,
    SEED,
    control_jobs,
    noise_of,
    painter_of,
    repainted,
    repainted_twice,
)
from scipy import ndimage

from defectgen.heal import as_drawn, as_real, few_of_each
from defectgen.imaging.files import Mask
from defectgen.imaging.label import Noise
from defectgen.job import Job
from defectgen.manifest import Manifest
from defectgen.markdown import tabulated
from defectgen.quality.drawn import Drawn
from defectgen.source import Source
from defectgen.utility.weighted import auroc

REPORT = ROOT / "reports/labels.md"
LEAST = 0.7  # AUROC of the filled share, real defects against controls: a label of anything at all would have 0.5
MOST = 0.75  # share of controls that may have any label

pytestmark = pytest.mark.slow


def measured(drawn: list[Drawn]) -> pd.DataFrame:
    """How each label compares with its shape, one row each."""
    return pd.DataFrame([_compared(one) for one in drawn])


def _compared(one: Drawn) -> dict[str, str | float]:
    label, shape = one.label, one.shape
    numbered, count = ndimage.label(shape, np.ones((3, 3)))
    return {
        "class": one.label_name,
        "IoU": iou(label, shape),
        "IoU of all that may change": iou(one.support, shape),
        "covered": (label & shape).sum() / max(1, shape.sum()),
        "components found": len(np.unique(numbered[label & shape])) / max(1, count),
        "pieces": ndimage.label(label, np.ones((3, 3)))[1],
        "none": float(not label.any()),
    }


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def test_labels_from_healed_defects_agree_with_annotators() -> None:
    sections, telling, labelled = [], {}, {}
    for name in PRODUCTS:
        source, painter = Source(Manifest.load(DATA / "ingest" / name)), painter_of(name)
        size = painter.spec.size
        noise = noise_of(name, source, size)
        rows = few_of_each(source, "val", SEED).assign(batch=BATCH)
        healing = [Job.healing(source, row, size) for _, row in rows.iterrows()]
        healed = zip(healing, repainted(painter, healing), strict=True)
        real = measured([as_real(job, result, noise) for job, result in healed])
        controls = repainted_twice(painter, list(islice(control_jobs(name, source, size), CONTROLS)))
        good = measured([as_drawn(job, expected, result, noise) for job, expected, result in controls])
        filled = np.concatenate([real["covered"], good["covered"]])
        telling[name] = float(auroc(np.arange(len(filled)) < len(real), filled, np.ones((1, len(filled))))[0])
        labelled[name] = 1 - good["none"].mean()
        sections.append(told(name, noise, real, good, telling[name]))
    REPORT.write_text(PAGE.format(date=date.today(), sections="\n\n".join(sections)))
    assert min(telling.values()) >= LEAST, f"{telling}: see {REPORT}"
    assert max(labelled.values()) <= MOST, f"{labelled}: see {REPORT}"


def told(name: str, noise: Noise, real: pd.DataFrame, good: pd.DataFrame, telling: float) -> str:
    """A product's section."""
    table = pd.concat([real, real.assign(**{"class": "all"}), good.assign(**{"class": "repainted as good"})])
    lines = [_line(str(kind), mine) for kind, mine in table.groupby("class", sort=False)]
    thresholds = ", ".join(f"{low:.2f} and {high:.2f}" for low, high in zip(noise.low, noise.high, strict=True))
    heads = ["", "n", "IoU", "of all that may change", "covered", "components found", "pieces", "no label"]
    return "\n\n".join(
        [
            f"## {name}",
            f"Low and high threshold, fine and wide: {thresholds}.\nShare covered, real defects against clean surface "
            f"repainted: AUROC {telling:.2f}.",
            tabulated(heads, lines),
        ]
    )


def _line(kind: str, mine: pd.DataFrame) -> list[str]:
    spread = {key: "{:.2f} ({:.2f} to {:.2f})".format(*mine[key].quantile([0.5, 0.25, 0.75])) for key in SPREAD}
    shares = [f"{mine['components found'].mean():.2f}", f"{mine['pieces'].mean():.1f}", f"{mine['none'].mean():.2f}"]
    return [kind, str(len(mine)), *spread.values(), *shares]


SPREAD = ("IoU", "IoU of all that may change", "covered")
PAGE = """# Does the label say what people would say?

Real defects of the val split were healed: painted over as "good" by the inpainter (and the upsampler), on squares and
with regions as they are in training. The label of what changed from the healed to the real square is compared with what
the annotator marked; the noise is that of clean training surface. "Of all that may change" is the IoU of the
region that was painted over: a label of everything would reach it, so an IoU below it can still be the better mask, and
one above it cannot be had by flooding. Clean val pictures repainted as good, in planned shapes, have no defect and
should have no label; as drawn defects are, they are compared with the clean square and with another good repaint of it.
Medians and quartiles; components found, pieces of a label and no label are means.

{date}:

    .venv/bin/python -m pytest -m slow tests/test_labels_slow.py

{sections}
"""
