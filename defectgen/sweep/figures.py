"""Figures of a set of samples, by the same rules for drawn and for real defects."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from defectgen.quality.fidelity import fidelity
from defectgen.quality.gates import Copied, Filled, Seam
from defectgen.quality.texture import texture_features
from defectgen.sweep.sample import Sample
from defectgen.sweep.yardstick import Yardstick

DARK_OR_BRIGHT = 1 - 1 / 255  # what lies as far from 0 is black or white in 8 bits
TEXTURE, DIVERSITY = "texture distance", "diversity"
AMONG_REAL = {TEXTURE: "texture distance, real", DIVERSITY: "diversity, real"}  # column of each baseline
MEANINGS = {
    "calls": "evaluations of the network for one sample, counted; classifier-free guidance makes two of one, the "
    "classifier of classifier guidance is not counted",
    "ms": "milliseconds for one sample on this machine, as many at once as the plan says",
    "fill": "how clearly the least changed part of the planned shape differs from good surface, median; 1 is just a "
    "change (the gate `Filled`)",
    "seam": "how near the edge of what was blended in is to no edge, median; 0 at best (the gate `Seam`)",
    "passed": "share of the samples that pass all gates at the first attempt",
    "copied": "share that repeat the picture of a training defect (the gate `Copied`)",
    "agreement": "share that critics which have not seen the donor's part take for the planned class",
    TEXTURE: "kernel distance of texture features to those of the real training defects, all classes together; the "
    "smaller the nearer",
    DIVERSITY: "spread of texture features within the classes over that of the real training defects",
    "saturation": "share of the values in the region that are black or white in 8 bits or lie beyond",
}
REAL = (
    "real, held out: defects of the split val, which no network has seen, put through the same rules; their texture "
    "distance and diversity are those between two halves of the training defects"
)


def figures(samples: Sequence[Sample], planned: int, yardstick: Yardstick) -> dict[str, float]:
    """Those of single samples; of `planned` ones those missing were not finite and pass nothing."""
    drawn = [sample.drawn for sample in samples]
    judged = [yardstick.bar.judge(each) for each in drawn]
    reasons = [rejecting for _, rejecting in judged]
    return {
        "fill": _median(Filled().score(each) for each in drawn),
        "seam": _median(scores[Seam.reason] for scores, _ in judged if Seam.reason in scores),
        "passed": sum(not rejecting for rejecting in reasons) / planned if planned else np.nan,
        "copied": _mean(Copied.reason in rejecting for scores, rejecting in judged if Copied.reason in scores),
        "agreement": _mean(_recognised(samples, yardstick)),
        "saturation": _mean((np.abs(sample.picture[:, sample.region]) >= DARK_OR_BRIGHT).mean() for sample in samples),
    }


def likeness(samples: Sequence[Sample], yardstick: Yardstick, seed: int) -> dict[str, float]:
    """Texture distance and diversity, each with its baseline; nan where a class has too few on either side."""
    size, mine = yardstick.critic.spec.size, sorted({sample.drawn.label_name for sample in samples})
    generated = {
        label: np.stack([sample.drawn.patch(size) for sample in samples if sample.drawn.label_name == label])
        for label in mine
    }
    table = fidelity(yardstick.training, generated, {"texture": texture_features}, seed)
    overall = table[table["label"] == ""].set_index("figure")[["value", "real_value"]].astype(float)
    overall = overall.reindex(["kernel_distance", "diversity"])
    named = zip((TEXTURE, DIVERSITY), overall.itertuples(index=False), strict=True)
    return {column: value for name, pair in named for column, value in zip((name, AMONG_REAL[name]), pair, strict=True)}


def differs(one: pd.Series, other: pd.Series) -> bool:
    """Whether means of a figure over seeds lie farther apart than twice the noise of their difference.

    Of a single seed the noise is not known: nothing differs.
    """
    noise = np.sqrt(one.var() + other.var())
    return bool(abs(one.mean() - other.mean()) > 2 * noise)


def _recognised(samples: Sequence[Sample], yardstick: Yardstick) -> list[bool]:
    if not samples:
        return []
    spec, drawn = yardstick.critic.spec, [sample.drawn for sample in samples]
    patches = np.stack([each.patch(spec.size) for each in drawn])
    said = yardstick.critic.predict(patches, [each.group for each in drawn]).argmax(axis=1)
    return [spec.classes[number] == each.label_name for number, each in zip(said, drawn, strict=True)]


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.median(found)) if found else np.nan


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else np.nan
