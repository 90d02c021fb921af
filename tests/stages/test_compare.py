"""Studies side by side: the finished ones, all of them, and nothing else."""

from pathlib import Path

import pytest
from made_study import make_study

from defectgen import outputs
from defectgen.errors import UserError
from defectgen.manifest import write_table
from defectgen.stages.compare import PAGE, compare
from defectgen.utility.study import DIFFERENCE_TABLE, FIDELITY_TABLE, SELECTED, signed
from defectgen.utility.verdict import not_measured

RECIPE: outputs.Recipe = {"settings": {}, "inputs": {}, "files": {}, "run": {"version": 1}}


def evaluated(folder: Path) -> None:
    study = make_study()
    write_table(folder / DIFFERENCE_TABLE, study.differences)
    write_table(folder / FIDELITY_TABLE, study.fidelity)
    study.verdict.save(folder)
    outputs.finish(folder, RECIPE, "digest", 1.0, "defectgen run")


def test_every_finished_study_is_a_row_with_its_verdict(tmp_path: Path) -> None:
    for product in ("plate", "screw", "half", "unmeasured"):
        evaluated(tmp_path / "data/evaluate" / product)
    (tmp_path / "data/evaluate/half/done.json").unlink()
    not_measured("seeds is 0").save(tmp_path / "data/evaluate/unmeasured")
    assert compare(data=tmp_path / "data", out=tmp_path / "out") == 0
    text, study = (tmp_path / "out" / PAGE).read_text(), make_study()
    arms = text.partition("## The arms")[2].partition("## Does fidelity")[0]
    gain = signed(study.endpoint().set_index(["arm", "label"]).loc[(SELECTED, "")])
    for product in ("plate", "screw"):
        assert f"| {product} | {study.verdict.sentence} |" in text
        assert gain in next(line for line in arms.splitlines() if line.startswith(f"| {product} |"))
    assert "half" not in text and "unmeasured" not in text


def test_fidelity_is_asked_over_all_products(tmp_path: Path) -> None:
    for product in ("plate", "screw"):
        evaluated(tmp_path / "data/evaluate" / product)
    compare(data=tmp_path / "data", out=tmp_path / "out")
    pairs = len(make_study().endpoint().query("label == ''"))
    assert f"{2 * pairs} pairs of product and arm" in (tmp_path / "out" / PAGE).read_text()


def test_without_a_study_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished study; run `defectgen evaluate"):
        compare(data=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
