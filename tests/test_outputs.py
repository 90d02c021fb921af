"""A folder knows how far it has come: half a file is swept away, damaged notes are named, seconds add up."""

import os
from pathlib import Path

import pytest

from defectgen import outputs
from defectgen.errors import UserError

RECIPE: outputs.Recipe = {"settings": {"size": 64}, "inputs": {}, "files": {}, "run": {"version": 1}}
OTHER = RECIPE | {"settings": {"size": 32}}


@pytest.mark.parametrize("recipe", [RECIPE, OTHER], ids=["going on", "starting over"])
def test_half_written_files_are_swept_away_and_nothing_else(tmp_path: Path, recipe: outputs.Recipe) -> None:
    outputs.begin(tmp_path, RECIPE)
    (tmp_path / "crops").mkdir()
    for name in ("crops/.tmp-3f", ".tmp-2a", "crops/a.png"):
        (tmp_path / name).write_text("half")
    outputs.begin(tmp_path, recipe)
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == ({"begun.json", "a.png"} if recipe is RECIPE else {"begun.json"})


def test_a_folder_killed_before_its_first_file_is_ours(tmp_path: Path) -> None:
    (tmp_path / ".tmp-2a").write_text("half")
    assert outputs.begin(tmp_path, RECIPE) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["begun.json"]


def test_a_new_setting_is_named_even_where_it_is_null(tmp_path: Path) -> None:
    outputs.begin(tmp_path, RECIPE)
    more = RECIPE | {"settings": {"size": 64, "shots": None}}
    assert outputs.begin(tmp_path, more) == "starting over: shots changed"
    assert outputs.begin(tmp_path, RECIPE) == "starting over: shots changed"


def test_more_of_the_same_keeps_what_is_there_and_is_not_done_yet(tmp_path: Path) -> None:
    few = RECIPE | {"settings": {"size": 64, "seeds": 2}}
    outputs.begin(tmp_path, few, ["seeds"])
    (tmp_path / "reading").write_text("an hour's work")
    outputs.finish(tmp_path, few, "digest", 1.0, "defectgen run")
    assert (
        outputs.begin(tmp_path, RECIPE | {"settings": {"size": 64, "seeds": 5}}, ["seeds"]) == "going on: seeds changed"
    )
    assert (tmp_path / "reading").exists() and outputs.done(tmp_path) is None
    both = RECIPE | {"settings": {"size": 32, "seeds": 6}}
    assert outputs.begin(tmp_path, both, ["seeds"]) == "starting over: seeds, size changed"
    assert not (tmp_path / "reading").exists()


def test_an_input_of_the_same_name_is_no_growing_setting(tmp_path: Path) -> None:
    outputs.begin(tmp_path, RECIPE, ["critic"])
    assert "starting over" in outputs.begin(tmp_path, RECIPE | {"inputs": {"critic": "new"}}, ["critic"])


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", "3"])
def test_damaged_notes_are_named_with_the_mend(tmp_path: Path, text: str) -> None:
    outputs.begin(tmp_path, RECIPE)
    outputs.finish(tmp_path, RECIPE, "digest", 1.0, "defectgen run")
    (tmp_path / "done.json").write_text(text)
    with pytest.raises(UserError, match=rf"done\.json: damaged; delete {tmp_path}/done\.json and run again"):
        outputs.done(tmp_path)
    (tmp_path / "begun.json").write_text(text)
    with pytest.raises(UserError, match=rf"begun\.json: damaged; delete {tmp_path} and run again"):
        outputs.begin(tmp_path, RECIPE)


def test_seconds_of_several_starts_add_up_as_far_as_they_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("defectgen.outputs.time.perf_counter", lambda: clock[0])
    first = outputs.Stopwatch(tmp_path)
    clock[0] = 10.0
    first.keep()
    clock[0] = 13.0  # killed here
    second = outputs.Stopwatch(tmp_path)
    clock[0] = 15.0
    assert second.seconds() == 12.0
    second.keep()
    clock[0] = 16.0
    second.keep()
    assert outputs.Stopwatch(tmp_path).seconds() == 13.0


def test_starting_over_starts_the_watch_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, 200.0, 200.0])
    monkeypatch.setattr("defectgen.outputs.time.perf_counter", lambda: next(clock))
    outputs.begin(tmp_path, RECIPE)
    outputs.Stopwatch(tmp_path).keep()
    outputs.begin(tmp_path, OTHER)
    assert outputs.Stopwatch(tmp_path).seconds() == 0.0


def test_names_that_are_not_utf8_have_a_fingerprint_too(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    first = outputs.fingerprint(tmp_path)
    (tmp_path / os.fsdecode(b"caf\xe8.png")).touch()
    assert outputs.fingerprint(tmp_path) != first
