"""The Markdown page of a study: the verdict first, and every number the tables' own."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_study import CLASSES, SEEDS, SKILLS, make_study, pictures

from defectgen.imaging.read import read_image
from defectgen.utility import charts
from defectgen.utility.page import page
from defectgen.utility.study import CHARTS, Study, signed


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study()


def cells(line: str) -> list[str]:
    return [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]


def table(text: str, heading: str) -> dict[str, dict[str, str]]:
    """The first table under a heading: first cell -> column -> cell."""
    lines = text.partition(f"## {heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def test_the_verdict_is_the_first_thing_said(study: Study) -> None:
    lines = [line for line in page(study).splitlines() if line]
    assert lines[0].startswith("# ") and lines[1] == f"**Verdict: {study.verdict.sentence}**"


def test_sections_stand_in_their_order(study: Study) -> None:
    assert re.findall(r"^## (.+)$", page(study), re.MULTILINE) == [
        "The arms",
        "Class by class",
        "What a line is run by",
        "Pixel by pixel",
        "Which mistakes remain",
        "Does a detector learn the seam?",
        "Fidelity",
        "What the intervals cover, and what not",
        "How it was done",
    ]


def test_arms_stand_in_their_order_with_mean_seeds_and_difference(study: Study) -> None:
    rows = table(page(study), "The arms")
    assert list(rows) == [f"`{arm}`" for arm in SKILLS]
    mine = study.figures.query("arm == 'selected' and detector == 'Classifier' and figure == 'average_precision'")
    values = mine[mine["label"] == ""]["value"]
    selected, overall = rows["`selected`"], study.verdict.overall
    assert overall is not None
    assert selected["average precision"] == f"{values.mean():.3f}" and len(values) == len(SEEDS)
    assert selected["of the seeds"] == f"{values.min():.3f} to {values.max():.3f}"
    assert selected["minus `augmented`"] == f"{overall.difference:+.3f} [{overall.low:+.3f}, {overall.high:+.3f}]"
    assert selected["verdict"] == "helps" and rows["`real`"]["verdict"] == "hurts"
    assert rows["`augmented`"]["minus `augmented`"] == "–"


def test_the_exported_arm_is_compared_with_every_baseline_that_was_run(study: Study) -> None:
    rows = table(page(study), "What a line is run by")
    compared = study.differences.query("arm == 'selected' and figure == 'macro_f1'").set_index("baseline")
    assert {"augmented", "real"} <= set(compared.index)
    for baseline, change in compared.iterrows():
        assert rows[f"`selected` minus `{baseline}`"]["macro-F1"] == signed(change)


def test_classes_have_their_own_figures_and_verdicts(study: Study) -> None:
    rows = table(page(study), "Class by class")
    assert list(rows) == ["crack", "pit\\|hole", "stain"]
    values = study.figures.query("arm == 'real' and detector == 'Classifier' and label == 'stain'")["value"]
    assert rows["stain"]["`real`"] == f"{values.mean():.3f}"
    assert rows["stain"]["verdict"] == study.verdict.classes["stain"].state


def test_less_is_better_is_marked(study: Study) -> None:
    columns = table(page(study), "What a line is run by")["`real`"]
    assert [name for name in columns if "↓" in name] == [name for name in columns if "rate" in name or "alarm" in name]


def test_how_it_was_done_says_how_to_do_it_again(study: Study) -> None:
    done = page(study).partition("## How it was done")[2]
    for told in ("0, 1, 2", "- `Segmenter`: steps 1200, batch 16", "32 x 32", "torch 2.13", "1 h 02 min"):
        assert told in done, told
    assert done.rstrip().endswith("```bash\ndefectgen evaluate --config tile.yaml\n```")
    assert table(page(study), "How it was done")["stain"]["test"] == "14 (5)"
    assert "| `selected`, `Classifier` | 0.5 | 0.5 to 0.7 | 0.5 |" in done


def test_the_pictures_it_shows_are_the_charts_that_are_written(study: Study, tmp_path: Path) -> None:
    charts.write(tmp_path / "charts", study, pictures())
    shown = {tmp_path / link.replace("%20", " ") for link in re.findall(r"\]\(([^)]+)\)", page(study))}
    assert shown == set((tmp_path / "charts").iterdir()) == {tmp_path / f"charts/{name}.png" for name in CHARTS}
    for path in shown:
        assert np.ptp(read_image(path)) > 100


def test_a_class_that_test_does_not_show_has_no_figures_and_hinders_nothing(study: Study, tmp_path: Path) -> None:
    figures, differences = study.figures.copy(), study.differences.copy()
    figures.loc[figures["label"] == "stain", "value"] = np.nan
    differences.loc[differences["label"] == "stain", ["value", "difference", "low", "high"]] = np.nan
    blind = replace(study, figures=figures, differences=differences)
    rows = table(page(blind), "Class by class")
    assert rows["stain"]["`real`"] == rows["stain"]["`selected` minus `augmented`"] == "–"
    charts.write(tmp_path, blind, pictures())


def test_a_study_without_pixels_seam_and_fidelity_leaves_their_sections_out(study: Study) -> None:
    figures = study.figures[study.figures["figure"].isin(["average_precision", "auroc"])]
    text = page(replace(study, figures=figures, fidelity=study.fidelity.iloc[:0]))
    assert not re.search("^## (Pixel|Does a detector|Fidelity)", text, re.MULTILINE)
    assert list(table(text, "What a line is run by")["`real`"]) == ["arm", "average precision", "AUROC"]


def test_the_line_is_said_to_be_set_with_hindsight_and_what_a_class_is_judged_on(study: Study) -> None:
    operating = page(study).partition("## What a line is run by")[2].partition("\n## ")[0]
    assert "hindsight" in operating.partition("|")[0]
    assert table(page(study), "Class by class")["crack"]["test pictures (parts)"] == "14 (5)"


def test_names_of_classes_are_no_formulas(study: Study, tmp_path: Path) -> None:
    classes = ["good", "$_{$", "pit|hole", "$\\frac$"]
    names = dict(zip(CLASSES, classes, strict=True))
    tables = [each.assign(label=each["label"].map(lambda label: names.get(label, label))) for each in
              (study.figures, study.differences)]  # fmt: skip
    odd = replace(study, classes=classes, figures=tables[0], differences=tables[1])
    charts.write(tmp_path, odd, pictures())


def test_of_four_arms_no_order_could_be_beyond_chance(study: Study) -> None:
    text = page(study)
    assert "Cannot be told" in text and "Not shown" not in text
    assert table(text, "Fidelity")["critic, `selected`"]["coverage"].endswith(" (0.8)")
    assert "99" not in text.partition("## Fidelity")[2].partition("## What")[0]  # the row of one class


def test_confusion_counts_every_picture_of_every_seed(study: Study) -> None:
    counts = charts._called(study, "selected")
    truth = study.of_seeds("selected")[0][1].truth
    assert counts.shape == (len(CLASSES),) * 2
    assert counts.sum(axis=1) == pytest.approx(len(SEEDS) * truth.sum(axis=0))


def test_precision_at_a_recall_is_where_the_threshold_first_reaches_it() -> None:
    """Three of the class at ranks 1, 2 and 4: precision 1 until two thirds are found, then 3 of 4."""
    study = make_study()
    one = study.of_seeds("selected")[0][1]
    truth, scores = np.zeros((4, 4), bool), np.zeros((4, 4), np.float32)
    truth[[0, 1, 3], 1] = True
    scores[:, 1] = [0.9, 0.8, 0.7, 0.6]
    curve = charts._curve(replace(one, truth=truth, scores=scores), 1)
    assert (curve[charts.RECALL <= 2 / 3] == 1).all() and (curve[charts.RECALL > 2 / 3] == 0.75).all()
