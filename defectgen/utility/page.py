"""The study as Markdown: the verdict first, then what it rests on, then how it was done."""

from collections.abc import Sequence

import pandas as pd

from defectgen.markdown import plain, tabulated
from defectgen.utility.bootstrap import FEWEST
from defectgen.utility.figures import FIGURES, PRIMARY
from defectgen.utility.foresight import foretold
from defectgen.utility.method import method
from defectgen.utility.study import BASELINE, SEAM, SELECTED, Study, signed, title
from defectgen.utility.verdict import MARGIN

LINE = [PRIMARY, "macro_f1", "balanced_accuracy", "auroc"]
OPERATING = ["false_alarms_at_full_recall", "miss_rate_at_1pct", "miss_rate_at_5pct"]
PIXELS = ["pixel_average_precision", "dice"]
RULE = f"""The endpoint was fixed beforehand: average precision of each defect class against everything else, as the
image classifier ranks the test pictures, averaged over the classes. An arm **helps** if the 95 % interval of its
difference from `{BASELINE}` lies above zero, **hurts** if it lies below, makes **no difference** if it lies within
±{MARGIN}; else the study is **inconclusive**."""
MISTAKES = f"""## Which mistakes remain

Calls with the threshold chosen on val, all seeds together; of a picture with defects of several classes each counts a
part.

![confusion](charts/confusion.png)

Test pictures that `{SELECTED}` calls wrongly, those first whose true class it believes least; under each the wrong call
and how many of the seeds made it. True defects are outlined.

![worst mistakes](charts/worst.png)"""
HINDSIGHT = """Calls, and so macro-F1 and balanced accuracy, use the threshold chosen on val. False alarms at full
recall and the miss rates are points of the test pictures' own curve: of a line set with hindsight, as no line is."""
LOOKS_AT_SEAM = """## Does a detector learn the seam?

How well it tells clean pictures, parts of which were repainted as good, from the same pictures untouched. 0.5: it does
not see the seam. 1.0: it sees it every time, and may take it for a defect."""
FIDELITY = """## Fidelity

How far each arm's added defects are from the real training defects, and in brackets how far two halves of those are
from each other."""
COVERED = f"""## What the intervals cover, and what not

Arms are compared seed by seed on the same test pictures. An interval resamples the test groups (parts) and the
detector seeds together, so it covers detectors trained again and other parts like those tested. A class seen on
fewer than {FEWEST} test parts has no interval.

From one seed an interval covers the test parts alone. From two seeds, or of a class on fewer than about ten test parts,
it is too narrow: simulated without any difference, one of six to ten such intervals missed zero, not one of twenty.

It does not cover the generator: one was trained, once, on one draw of training parts, and its seed was not repeated.
Nor does it cover other products, other detectors, or another split. Only the endpoint over all classes carries the
verdict; the other intervals are not corrected for their number, and of twenty one misses by chance."""


def page(study: Study) -> str:
    """The whole page; it shows the pictures that `charts.draw` makes, in the folder charts/ beside it."""
    measured = [_verdict(study), _arms(study), _classes(study), _operating(study), _pixels(study), MISTAKES]
    sections = [*measured, _seam(study), _fidelity(study), COVERED, method(study)]
    return "\n\n".join(filter(None, sections)) + "\n"


def _verdict(study: Study) -> str:
    facts = study.facts
    commit = f", commit {facts.commit}" if facts.commit else ""
    done = f"{facts.made}{commit}, {len(facts.seeds)} seeds, `{facts.command}`"
    head = f"# Does the synthetic data help? {plain(facts.product)}\n\n**Verdict: {plain(study.verdict.sentence)}**"
    return f"{head}\n\n{done}\n\n![differences](charts/differences.png)\n\n{RULE}"


def _arms(study: Study) -> str:
    """Every arm by the primary endpoint."""
    means = study.means(PRIMARY, study.detector)
    per_seed = study.figures[(study.figures["figure"] == PRIMARY) & (study.figures["label"] == "")]
    per_seed = per_seed[per_seed["detector"] == study.detector].groupby("arm")["value"].agg(["min", "max"])
    tables = [study.endpoint(baseline).query("label == ''").set_index("arm") for baseline in study.baselines]
    rows = []
    for arm in study.arms:
        if arm.name not in means.index:
            continue
        low, high = per_seed.loc[arm.name]
        compared = [signed(table.loc[arm.name]) if arm.name in table.index else "–" for table in tables]
        verdict = str(tables[0].loc[arm.name, "verdict"]) if arm.name in tables[0].index else "–"
        rows.append([f"`{arm.name}`", _number(means.loc[arm.name, ""]), f"{low:.3f} to {high:.3f}", *compared, verdict])
    minus = [f"minus `{baseline}`" for baseline in study.baselines]
    header = ["arm", "average precision", "of the seeds", *minus, "verdict"]
    summaries = "\n".join(f"- `{arm.name}`: {arm.summary}" for arm in study.arms)
    return (
        "## The arms\n\nMacro average precision, mean over the seeds; differences with their 95 % interval.\n\n"
        f"{tabulated(header, rows)}\n\n{summaries}"
    )


def _classes(study: Study) -> str:
    """The primary endpoint class by class, with the verdict of the exported arm."""
    means = study.means(PRIMARY, study.detector)
    compared = study.endpoint().query("arm == @SELECTED").set_index("label")
    test = study.facts.counts.query("split == 'test'").set_index("label")
    rows = []
    for label in study.labels:
        verdict = (
            [signed(compared.loc[label]), str(compared.loc[label, "verdict"])] if label in compared.index else ["–"] * 2
        )
        values = [_number(value) for value in means.get(label, pd.Series(float("nan"), means.index))]
        shown = f"{test.loc[label, 'pictures']} ({test.loc[label, 'groups']})"
        rows.append([plain(label), shown, *values, *verdict])
    header = [
        "class",
        "test pictures (parts)",
        *(f"`{arm}`" for arm in means.index),
        f"`{SELECTED}` minus `{BASELINE}`",
        "verdict",
    ]
    told = f"## Class by class\n\nAverage precision, mean over the seeds.\n\n{tabulated(header, rows)}"
    return f"{told}\n\n![precision over recall](charts/precision_recall.png)"


def _operating(study: Study) -> str:
    return (
        "## What a line is run by\n\nMean over the seeds; of figures with an arrow, less is better. "
        f"A difference is shown where it has an interval. {HINDSIGHT}\n\n"
        f"{_by_detector(study, [*LINE, *OPERATING])}\n\n{_glossary([*LINE, *OPERATING])}"
    )


def _pixels(study: Study) -> str:
    if not (detectors := study.detectors(PIXELS)):
        return ""
    tables = [_by_detector(study, PIXELS), _glossary(PIXELS)]
    for detector in detectors:
        means = study.means("dice", detector).drop(columns="", errors="ignore")
        rows = _rows(means)
        if rows:
            tables.append(f"Dice by class, `{detector}`:\n\n" + tabulated(["arm", *map(plain, means.columns)], rows))
    return "## Pixel by pixel\n\n" + "\n\n".join(tables)


def _glossary(figures: Sequence[str]) -> str:
    """What each figure means."""
    return "\n".join(f"- {FIGURES[figure].name}: {FIGURES[figure].sentence}" for figure in figures)


def _by_detector(study: Study, figures: Sequence[str]) -> str:
    """Per detector: the means of every arm, and what the exported arm changes with intervals."""
    parts = []
    for detector in study.detectors(figures):
        table = pd.DataFrame({figure: study.means(figure, detector).get("") for figure in figures}).dropna(
            how="all", axis=1
        )
        ordered = table.reindex([arm.name for arm in study.arms if arm.name in table.index])
        rows = _rows(ordered)
        for baseline in study.baselines:
            changes = [_change(study, baseline, detector, figure) for figure in ordered]
            rows.append([f"`{SELECTED}` minus `{baseline}`", *changes])
        parts.append(f"`{detector}`:\n\n" + tabulated(["arm", *map(title, ordered)], rows))
    return "\n\n".join(parts)


def _change(study: Study, baseline: str, detector: str, figure: str) -> str:
    found = study.differences.query(
        "arm == @SELECTED and baseline == @baseline and detector == @detector and figure == @figure and label == ''"
    )
    return signed(found.iloc[0]) if len(found) else "–"


def _seam(study: Study) -> str:
    """Whether the detectors tell a repainted clean picture from the same picture untouched."""
    if not (detectors := study.detectors([SEAM])):
        return ""
    means = pd.DataFrame({detector: study.means(SEAM, detector)[""] for detector in detectors})
    means = means.reindex([arm.name for arm in study.arms if arm.name in means.index])
    rows = _rows(means)
    told = f"{LOOKS_AT_SEAM} Read on {study.facts.seam_pairs} pictures that no arm trained on."
    return f"{told}\n\n" + tabulated(["arm", *(f"`{detector}`" for detector in detectors)], rows)


def _fidelity(study: Study) -> str:
    """Each figure beside its real-against-real baseline, and whether it goes with the endpoint."""
    overall = study.fidelity.query("label == ''")
    if overall.empty:
        return ""
    beside = [f"{row.value:.3g} ({row.real_value:.3g})" for row in overall.itertuples()]
    wide = overall.assign(beside=beside).pivot(index=["features", "arm"], columns="figure", values="beside")
    wide = wide.reindex(columns=overall["figure"].unique()).fillna("–")
    pairs = overall[["features", "arm"]].drop_duplicates()
    order = sorted(pairs.itertuples(index=False, name=None), key=lambda pair: str(pair[0]))
    rows = [[f"{plain(key[0])}, `{key[1]}`", *wide.loc[key]] for key in order]
    table = tabulated(["features, arm", *(plain(figure.replace("_", " ")) for figure in wide)], rows)
    product = study.facts.product
    gained = study.endpoint().query("label == ''")[["arm", "difference"]].dropna()
    answer = foretold(overall.assign(product=product), gained.assign(product=product))
    return f"{FIDELITY}\n\n{table}\n\n### Does any of it predict the endpoint?\n\n{answer}"


def _rows(table: pd.DataFrame) -> list[list[str]]:
    """A table of figures by arm as cells."""
    return [[f"`{arm}`", *map(_number, values)] for arm, values in zip(table.index, table.to_numpy(), strict=True)]


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3f}"
