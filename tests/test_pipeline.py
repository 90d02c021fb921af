"""A step runs when, and only when, something it follows from has changed; nothing of the user's is ever deleted."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_stages
import pytest
import yaml

from defectgen import lock, pipeline, tracking
from defectgen.config import read_settings
from defectgen.errors import BadInput, UserError
from defectgen.steps import Step

ALL = ["ingest", "patch 0", "inpaint", "critic", "generate"]


class Project:
    """A folder with one picture, a YAML, and a note of what tracking was told."""

    def __init__(self, folder: Path) -> None:
        self.yaml, self.source, self.data = folder / "tile.yaml", folder / "pictures", folder / "data"
        self.tracked: list[str] = []
        self.source.mkdir()
        (self.source / "a.txt").write_text("a")
        self.yaml.write_text(f"product: tile\ndata: {self.data}\ningest: {{source: {self.source}}}\n")

    def run(self, *overrides: str, command: str = "run", steps: Sequence[Step] = fake_stages.STEPS) -> list[str]:
        """Run a command; the stages that really ran."""
        fake_stages.CALLS.clear()
        settings = read_settings(self.yaml, command, overrides, steps)
        pipeline.run(settings, [step for step in settings.steps if command in ("run", step.command)])
        return list(fake_stages.CALLS)

    def record(self, folder: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.data / folder / "done.json").read_text())
        return record


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)

    @contextmanager
    def tracked(name: str, block: Mapping[str, Any], record: Path | None = None) -> Iterator[None]:
        project.tracked.append(name)
        yield

    monkeypatch.setattr(tracking, "pipeline_run", tracked)
    monkeypatch.setattr(tracking, "stage_run", tracked)
    return project


def test_every_step_runs_once_and_is_then_skipped(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.run() == ALL
    assert project.tracked == ["tile", "ingest", "patch", "train.inpaint", "train.critic", "generate"]
    assert project.run() == []
    assert len(project.tracked) == 6, "a run that did nothing leaves no record"
    assert capsys.readouterr().out.count("unchanged, skipped") == 5


def test_outputs_lie_where_the_design_says(project: Project) -> None:
    project.run()
    folders = {path.parent.relative_to(project.data).as_posix() for path in project.data.rglob("made")}
    assert folders == {"ingest/tile", "patch/tile", "train/tile/inpaint", "train/tile/critic", "generate/tile"}


def test_the_folder_says_how_it_was_made(project: Project) -> None:
    project.run("--patch.size", "32")
    record = project.record("patch/tile")
    assert set(record) == {"key", "digest", "inputs", "version", "seconds", "command"}
    assert record["inputs"] == {"ingest": project.record("ingest/tile")["digest"]}
    text = (project.data / "patch/tile/config.yaml").read_text()
    assert text.startswith("# defectgen run --config") and "--patch.size 32" in text.splitlines()[0]
    assert yaml.safe_load(text) == {"size": 32}


def test_a_changed_setting_reruns_its_step_and_what_follows_from_it(project: Project) -> None:
    project.run()
    assert project.run("--train.inpaint.rate", "auto") == ["inpaint", "generate"]


def test_an_unchanged_digest_stops_the_rerun(project: Project) -> None:
    project.run()
    (project.source / "a.txt").write_text("b")  # another picture, but `patch` only counts them
    assert project.run() == ["ingest", "patch 0"]


def test_a_new_picture_in_the_users_folder_is_noticed(project: Project) -> None:
    project.run()
    (project.source / "b.txt").write_text("b")
    assert project.run() == ALL


@pytest.mark.parametrize("override", ["--seed=1", "--ingest.fractions.train=0.4"])
def test_seed_and_nested_settings_count(project: Project, override: str) -> None:
    project.run()
    assert "ingest" in project.run(override)


def test_a_new_version_of_a_step_reruns_it(project: Project) -> None:
    project.run()
    newer = [replace(step, version=2) if step.name == "train.critic" else step for step in fake_stages.STEPS]
    assert project.run(steps=newer) == ["critic"]


def test_a_crashed_step_is_not_done_and_goes_on_in_its_folder(project: Project) -> None:
    fake_stages.CRASHES.append(RuntimeError("out of luck"))
    with pytest.raises(RuntimeError, match="out of luck"):
        project.run()
    assert not (project.data / "patch/tile/done.json").exists()
    assert project.run() == ["patch 1", "inpaint", "critic", "generate"]


def test_a_crashed_step_starts_over_with_other_settings(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    fake_stages.CRASHES.append(RuntimeError("out of luck"))
    with pytest.raises(RuntimeError):
        project.run()
    assert project.run("--patch.size", "32")[0] == "patch 0"
    assert "starting over: size changed" in capsys.readouterr().out
    assert not (project.data / "patch/tile/64.patch").exists()


def test_a_folder_killed_while_it_was_emptied_is_emptied_to_the_end(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    (project.data / "patch/tile/sheets").mkdir()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("shutil.rmtree", _interrupt)
        project.run("--patch.size", "32")
    assert project.run() == ["patch 0"], "back at the old settings, half of the old output must not pass for all of it"
    assert not (project.data / "patch/tile/sheets").exists()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_files_of_the_user_are_never_deleted(project: Project) -> None:
    precious = project.data / "patch/tile/thesis.doc"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    with pytest.raises(UserError, match="did not write"):
        project.run()
    assert precious.read_text() == "years of work"


def test_a_link_in_an_output_folder_is_removed_and_not_followed(project: Project) -> None:
    project.run()
    (project.data / "ingest/tile/pictures").symlink_to(project.source)
    project.run("--ingest.layout", "mvtec")
    assert (project.source / "a.txt").exists()
    assert not (project.data / "ingest/tile/pictures").exists()


def test_a_missing_input_names_the_command_that_makes_it(project: Project) -> None:
    with pytest.raises(UserError, match=rf"run `defectgen ingest --config {project.yaml}` first"):
        project.run(command="patch")
    assert not (project.data / "patch").exists()


def test_one_stage_runs_alone_and_says_where_its_input_is_old(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.run()
    assert project.run("--patch.size", "32", command="train") == [], "the inputs are taken as they are"
    assert project.run("--patch.size", "32", "--train.inpaint.rate", "1", command="train") == ["inpaint"]
    assert f"note: {project.data / 'patch/tile'} was made with other settings" in capsys.readouterr().out


def test_an_optional_step_takes_part_only_where_its_block_is(project: Project) -> None:
    assert "draw" not in project.run()
    assert project.run("--draw.count", "3") == ["draw"]
    project.yaml.write_text(project.yaml.read_text() + "draw:\n")
    assert project.run("--seed=3")[0] == "draw"


WITH_HINT = (
    *fake_stages.STEPS[:-1],
    Step("train.hint", "test_pipeline:_hint", "", optional=True),
    Step("told", "test_pipeline:_told", ""),
)


def _hint(out: Path, *, loud: bool = False) -> str:
    """Something that not every product has."""
    return fake_stages.write(out, "loud" if loud else "hint")


def _told(out: Path, critic: Path, hint: Path | None = None) -> str:
    """Takes the hint where there is one."""
    return fake_stages.write(out, "nothing" if hint is None else (hint / "made").read_text())


def test_an_optional_block_within_a_block_takes_part_only_where_it_is(project: Project) -> None:
    def told(*overrides: str) -> str:
        project.run(*overrides, steps=WITH_HINT)
        return (project.data / "told/tile/made").read_text()

    assert told() == told("--train.inpaint.rate", "auto") == "nothing"
    assert project.record("told/tile")["inputs"].keys() == {"critic"}
    project.run(command="train", steps=WITH_HINT)
    assert not (project.data / "train/tile/hint").exists(), "its command alone does not ask for it"
    assert told("--train.hint.loud=true") == "loud"
    project.yaml.write_text(project.yaml.read_text() + "train: {hint: }\n")
    assert told() == "hint"
    assert project.record("told/tile")["inputs"]["hint"] == project.record("train/tile/hint")["digest"]


def test_a_step_that_returns_no_digest_is_our_bug(project: Project) -> None:
    broken = [Step("broken", "test_pipeline:_no_digest", "")]
    project.yaml.write_text(f"product: tile\ndata: {project.data}\n")
    with pytest.raises(TypeError, match="returned None"):
        project.run(steps=broken)


def _no_digest(out: Path) -> None:
    """Forgets to return."""


def test_seconds_of_a_step_cover_its_earlier_starts(project: Project) -> None:
    """As far as they went into what is there."""
    fake_stages.CRASHES.append(RuntimeError())
    with pytest.raises(RuntimeError):
        project.run()
    (project.data / "patch/tile/spent.json").write_text('{"seconds": 1000.0}')
    project.run()
    assert 1000 <= project.record("patch/tile")["seconds"] < 2000
    assert project.record("ingest/tile")["seconds"] < 1000


def test_a_run_with_nothing_to_do_tells_the_record_what_it_missed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Path] = []
    monkeypatch.setattr(tracking, "catch_up", told.append)
    project.run()
    assert told == []
    project.run()
    assert told == [project.data / "tracking"]


def test_a_run_has_its_folders_and_what_it_reads_for_itself_from_start_to_end(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is written alone, and one that is read with others who read it."""
    project.run()
    theirs: dict[str, list[str]] = {}

    def look(folder: Path) -> None:
        theirs["written"], theirs["read"] = refusals(project, lock.writing), refusals(project, lock.reading)

    monkeypatch.setattr(tracking, "catch_up", look)
    settings = read_settings(project.yaml, "patch", ("--patch.size", "32"), fake_stages.STEPS)
    with monkeypatch.context() as patched:
        patched.setattr(fake_stages, "write", lambda out, text: look(out) or "digest")
        pipeline.run(settings, [step for step in settings.steps if step.name == "patch"])
    assert theirs == {"written": ["ingest/tile", "patch/tile"], "read": ["patch/tile"]}
    assert refusals(project, lock.writing) == []


def refusals(project: Project, take: Callable[..., AbstractContextManager[None]]) -> list[str]:
    """The folders that another process would not get."""
    refused = []
    for folder in ("ingest/tile", "patch/tile", "train/tile/inpaint", "generate/tile"):
        try:
            with take(project.data, project.data / folder, "another"):
                pass
        except UserError:
            refused.append(folder)
    return refused


def test_a_vanished_picture_of_an_earlier_step_comes_with_the_command_that_makes_it_anew(project: Project) -> None:
    project.run()
    steps = [*fake_stages.STEPS, Step("check", "test_pipeline:_vanished", "")]
    with pytest.raises(UserError) as raised:
        project.run(steps=steps)
    folder = project.data / "patch/tile"
    mend = f"delete {folder}/done.json and run `defectgen patch --config {project.yaml}`"
    assert str(raised.value).startswith(f"{folder}/images/a.png: no such file; {mend}")
    (folder / "done.json").unlink()
    assert project.run() == ["patch 1"]


def _vanished(out: Path, patch: Path) -> str:
    raise BadInput(patch / "images/a.png", "no such file", "correct the path")


def test_what_a_step_starts_from_is_looked_for_before_its_finished_folder_is_emptied(project: Project) -> None:
    project.run()
    made = project.data / "ingest/tile/made"
    inside, gone = made.parent, project.data.parent / "gone"
    for source, told in ((gone, "no such file or folder"), (inside, "which this step empties; move it elsewhere")):
        with pytest.raises(UserError, match=told):
            project.run("--ingest.source", str(source))
        assert made.is_file()
