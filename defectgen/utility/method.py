"""How a study was done, as Markdown: rules, settings, counts, choices, time, versions, the command."""

from collections.abc import Mapping

import pandas as pd

from defectgen.manifest import SPLITS
from defectgen.markdown import plain, tabulated
from defectgen.page.render import duration
from defectgen.utility.study import Study

RULES = """Only the split train trains anything. Ratios, and the thresholds of calls, were chosen on val; test was read
once, for these figures. Every arm took the same optimiser steps, and in every arm the chance that a defect drawn was a
real one was at least one half."""


def method(study: Study) -> str:
    """Rules, counts, what was chosen, time, versions, the command."""
    facts = study.facts
    seeds = ", ".join(map(str, facts.seeds))
    detectors = "\n".join(f"- `{name}`: {_settings(settings)}" for name, settings in facts.detectors.items())
    times = ", ".join(f"{work} {duration(seconds)}" for work, seconds in facts.seconds.items())
    versions = ", ".join(f"{package} {version}" for package, version in facts.versions.items())
    paragraphs = [
        "## How it was done",
        RULES,
        f"Detectors see pictures of {facts.size} x {facts.size} pixels; seeds: {seeds}.\n\n{detectors}",
        f"Real pictures (groups):\n\n{_counts(study)}",
        _chosen(facts.chosen),
        f"Time: {times}.",
        f"Versions: {versions}.",
        f"```bash\n{facts.command}\n```",
    ]
    return "\n\n".join(paragraphs)


def _settings(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _counts(study: Study) -> str:
    """Real pictures and groups of every class, split by split."""
    counts = study.facts.counts
    told = [f"{pictures} ({groups})" for pictures, groups in zip(counts["pictures"], counts["groups"], strict=True)]
    wide = counts.assign(told=told).pivot(index="label", columns="split", values="told")
    wide = wide.reindex(index=study.classes, columns=[split for split in SPLITS if split in wide]).fillna("–")
    rows = [[plain(label), *row] for label, row in zip(wide.index, wide.to_numpy(), strict=True)]
    return tabulated(["class", *wide.columns], rows)


def _chosen(chosen: pd.DataFrame) -> str:
    """What each arm's detectors chose, from the lowest to the highest of the seeds."""
    rows = []
    for (arm, detector), table in chosen.groupby(["arm", "detector"], sort=False):
        ranges = [_range(table[column]) for column in ("ratio", "decision", "real_share")]
        rows.append([f"`{arm}`, `{detector}`", *ranges])
    header = ["arm, detector", "share of added pictures", "defect probability that calls", "real share of defect draws"]
    return tabulated(header, rows)


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    if pd.isna(low):
        return "–"
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
