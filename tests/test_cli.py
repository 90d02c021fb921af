"""The command line: quick help, one line for every mistake, and a resolved YAML that can be fed back in."""

import errno
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import fake_stages
import pytest

from defectgen import tracking
from defectgen.cli import GOES_ON, main
from defectgen.config import read_settings
from defectgen.errors import UserError
from defectgen.steps import STEPS

Refused = Callable[..., str]


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A YAML in a folder of its own, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("tile.yaml")
    path.write_text("product: tile\ningest: {source: pictures}\n")
    return path


@pytest.fixture
def refused(product: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command line that must fail with exit code 2 and one line on stderr; returns the line."""

    def run(*words: str, text: str = "", command: str = "run") -> str:
        product.write_text(product.read_text() + text)
        assert main([command, "--config", str(product), *words], fake_stages.STEPS) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("defectgen: error: ") and printed.err.count("\n") == 1
        return printed.err.removeprefix("defectgen: error: ").rstrip()

    return run


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: -1", "tile.yaml: seed: "),
        ("sed: 3", "tile.yaml: sed is not a key; did you mean seed?"),
        ("pach: {size: 3}", "tile.yaml: pach is not a key; did you mean patch?"),
        ("pach: 3", "tile.yaml: pach is not a key; did you mean patch?"),
        ("drew: {count: 3}", "tile.yaml: drew is not a key; did you mean draw?"),
        ("patch: {sise: 3}", "tile.yaml: patch.sise is not a key; did you mean patch.size?"),
        ("train: {inpant: {rate: 3}}", "tile.yaml: train.inpant is not a key; did you mean train.inpaint?"),
        ("train: {rate: 3}", "tile.yaml: train.rate is not a key; did you mean train.inpaint.rate?"),
        (
            "train: {inpaint: {schedule: cosin}}",
            "tile.yaml: train.inpaint.schedule: there is no class cosin; did you mean Cosine?",
        ),
        (
            "train: {inpaint: {network: UNett}}",
            "tile.yaml: train.inpaint.network: there is no class UNett; did you mean UNet?",
        ),
        (
            "train: {inpaint: {network: {class_path: UNet, init_args: {widht: 3}}}}",
            "tile.yaml: train.inpaint.network: UNet has no setting widht; did you mean width?",
        ),
        (
            "train: {inpaint: {schedule: {class_path: Cosine, init_args: {shfit: 3}}}}",
            "tile.yaml: train.inpaint.schedule: Cosine has no setting shfit; did you mean shift?",
        ),
        ("train: {inpaint: {schedule: {class_path: Cosine, init_arg: {shift: 3}}}}", "did you mean init_args?"),
        (
            "train: {inpaint: {schedule: DDIM}}",
            "tile.yaml: train.inpaint.schedule: there is no class DDIM (known: Cosine, Linear)",
        ),
        (
            "train: {inpaint: {schedule: 3}}",
            "tile.yaml: train.inpaint.schedule: name one of the classes Cosine, Linear",
        ),
        (
            "train: {inpaint: {schedule: {class_path: Cosine, init_args: {shift: -1}}}}",
            "tile.yaml: train.inpaint: shift must be above 0",
        ),
        (
            "train: {inpaint: {rate: auot}}",
            "tile.yaml: train.inpaint.rate: auot is not one of float, 'auto'; did you mean auto?",
        ),
        (
            "generate: {guides: [ClassifierFre]}",
            "tile.yaml: generate.guides: there is no class ClassifierFre; did you mean ClassifierFree?",
        ),
        (
            "generate: {guides: [{class_path: ClassifierFree, init_args: {scale: high}}]}",
            "tile.yaml: generate.guides.scale: expected float, got high",
        ),
        (
            "generate: {guides: Dynamic}",
            "tile.yaml: generate.guides: expected list, got Dynamic; write a list as [a, b]",
        ),
        ("generate: {note: no}", "quote it"),
        ("patch: {size: big}", "tile.yaml: patch.size: expected int, got big"),
        ("patch: {size: }", "tile.yaml: patch.size: expected int, got nothing"),
        ("patch: 3", "tile.yaml: patch is a block; give it keys and values, not 3"),
        ("patch: [1, 2", "tile.yaml, line 3: expected ',' or ']'"),
        ("patch: {size: 3}\npatch: {size: 4}", "tile.yaml, line 4: patch is given twice; join the two"),
    ],
)
def test_a_mistake_in_the_yaml_costs_one_line(refused: Refused, text: str, line: str) -> None:
    assert line in refused(text=text)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--patch.sise", "3"], "command line: patch.sise is not a key; did you mean patch.size?"),
        (["--pach.size=3"], "command line: pach is not a key; did you mean patch?"),
        (["--patch.size", "big"], "command line: patch.size: expected int, got big"),
        (["--patch.size"], "command line: argument --patch.size: expected one argument"),
        (
            ["--ingest.layout", "mvtek"],
            "command line: ingest.layout: mvtek is not one of 'auto', 'mvtec'; did you mean mvtec?",
        ),
        (
            ["--train.inpaint.schedule.shfit", "2"],
            "command line: train.inpaint.schedule: Cosine has no setting shfit; did you mean shift?",
        ),
        (["--product", "../x"], "names folders"),
        (["patch"], "command line: patch belongs to no option"),
    ],
)
def test_a_mistake_on_the_command_line_costs_one_line(refused: Refused, words: list[str], line: str) -> None:
    assert line in refused(*words)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rnu", "--config", "tile.yaml"], "there is no command rnu; did you mean run?"),
        (["x"], "there is no command x (known: run, draw, ingest, patch, train, generate, validate, pretrain, compare"),
        (["run"], "which product? defectgen run --config configs/<product>.yaml"),
        (["run", "--config"], "argument --config: expected one argument"),
        (["run", "--config", "tyle.yaml"], "tyle.yaml: no such file; did you mean tile.yaml?"),
        (["generate", "--config", "tile.yaml"], "run `defectgen ingest --config tile.yaml` first"),
    ],
)
def test_a_wrong_command_or_file_costs_one_line(
    product: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert main(words, fake_stages.STEPS) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1


def test_the_printed_config_gives_the_same_settings_again(product: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--train.inpaint.schedule.shift", "1e-4", "--generate.guides", "[Dynamic]", "--patch.size=3"]
    assert main(["run", "--config", "tile.yaml", "--print_config", *words], fake_stages.STEPS) == 0
    again = Path("again.yaml")
    again.write_text(capsys.readouterr().out)
    first = read_settings(product, "run", words, fake_stages.STEPS)
    second = read_settings(again, "run", [], fake_stages.STEPS)
    assert first.resolved == second.resolved
    assert [step.name for step in second.steps] == [step.name for step in first.steps], "draw was not asked for"
    assert first.resolved["train"]["inpaint"]["schedule"]["init_args"] == {"shift": 1e-4}
    assert first.resolved["patch"] == {"size": 3}


def test_defaults_survive_being_printed(product: Path, tmp_path: Path) -> None:
    first = read_settings(product, "run", [], fake_stages.STEPS)
    (tmp_path / "again.yaml").write_text(first.text())
    assert read_settings(tmp_path / "again.yaml", "run", [], fake_stages.STEPS).resolved == first.resolved


def test_overrides_reach_the_objects(product: Path) -> None:
    product.write_text(
        product.read_text() + "train: {inpaint: {schedule: Cosine, rate: 1e-4, network: {class_path: UNet}}}\n"
        "generate: {guides: [{class_path: ClassifierFree, init_args: {scale: 3}}, Dynamic]}\n"
    )
    words = ["--train.inpaint.schedule.init_args.shift", "4", "--train.inpaint.network.width=8"]
    settings = read_settings(product, "run", words, fake_stages.STEPS)
    inpaint = settings.arguments["train.inpaint"]
    assert inpaint["rate"] == 1e-4 and inpaint["schedule"].sigma() == 4
    assert vars(inpaint["network"](3)) == {"channels": 3, "width": 8}
    assert [guide.scale_at() for guide in settings.arguments["generate"]["guides"]] == [3, 1]


def test_empty_blocks_mean_all_defaults(product: Path) -> None:
    plain = read_settings(product, "run", [], fake_stages.STEPS)
    product.write_text("product: tile\ningest: {source: pictures, fractions: }\npatch:\ntrain:\n  inpaint:\n")
    assert read_settings(product, "run", [], fake_stages.STEPS).resolved == plain.resolved


@pytest.fixture
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "pipeline_run", lambda *_: nullcontext())
    monkeypatch.setattr(tracking, "stage_run", lambda *_: nullcontext())


def test_one_command_runs_its_steps_and_names_the_next(
    product: Path, untracked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pictures").mkdir()
    for command, following in [("ingest", "patch"), ("patch", "train"), ("train", "generate")]:
        assert main([command, "--config", "tile.yaml"], fake_stages.STEPS) == 0
        assert f"next: defectgen {following} --config tile.yaml" in capsys.readouterr().out
    assert {path.name for path in Path("data/train/tile").iterdir()} == {"inpaint", "critic"}


@pytest.mark.parametrize(
    ("crash", "code", "line"),
    [
        (UserError("row 3\nis bad"), 2, "defectgen: error: row 3 is bad\n"),
        (KeyboardInterrupt(), 130, "defectgen: interrupted; the same command goes on where it stopped\n"),
        (OSError(errno.ENOSPC, "No space left"), 2, f"defectgen: error: No space left; make room, {GOES_ON}\n"),
        (
            FileExistsError(errno.EEXIST, "File exists", "data/plan"),
            2,
            f"defectgen: error: data/plan: File exists; move the file away that is in its place, {GOES_ON}\n",
        ),
    ],
)
def test_a_stage_that_stops_costs_one_line(
    product: Path, untracked: None, capsys: pytest.CaptureFixture[str], crash: BaseException, code: int, line: str
) -> None:
    Path("pictures").mkdir()
    fake_stages.CRASHES.append(crash)
    assert main(["run", "--config", "tile.yaml"], fake_stages.STEPS) == code
    assert capsys.readouterr().err == line


def test_our_own_bugs_keep_their_traceback(product: Path, untracked: None) -> None:
    Path("pictures").mkdir()
    fake_stages.CRASHES.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["run", "--config", "tile.yaml"], fake_stages.STEPS)


def test_help_after_a_command_shows_its_keys_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "--help"], fake_stages.STEPS) == 0
    text = capsys.readouterr().out
    assert "--ingest.source" in text and "folder of pictures" in text and "--patch.size" not in text


def test_help_of_a_class_shows_its_settings_and_what_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--generate.solver.help", "DDIM"]) == 0
    text = capsys.readouterr().out
    assert "--generate.solver.eta" in text and "0 is deterministic" in text
    assert main(["generate", "--generate.solver.help=DIM"]) == 2
    assert capsys.readouterr().err == "defectgen: error: command line: help: there is no class DIM\n"
    assert main(["generate", "--generate.slover.help", "DDIM"]) == 2
    assert "did you mean generate.solver?" in capsys.readouterr().err


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = """if True:
        import sys
        from defectgen.cli import main
        assert main(["--help"]) == 0
        print(*sys.modules, file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for word in ["run", *(step.command for step in STEPS)]:
        assert re.search(rf"^  {word} +\w", done.stdout, re.MULTILINE)
    assert not {"torch", "mlflow", "lightning", "pandas", "cv2"} & set(done.stderr.split())


def test_the_real_stages_declare_settings_that_can_be_printed_and_read_back(tmp_path: Path) -> None:
    first, again = tmp_path / "first.yaml", tmp_path / "again.yaml"
    first.write_text("product: tile\ndraw:\ningest: {source: pictures}\n")
    settings = read_settings(first, "run", [], STEPS)
    again.write_text(settings.text())
    assert "Unable to serialize" not in settings.text()
    assert read_settings(again, "run", [], STEPS).resolved == settings.resolved
    for number, step in enumerate(STEPS):
        assert step.inputs() <= {earlier.key for earlier in STEPS[:number]}, f"{step.name} reads what is not made yet"


def test_exit_codes_reach_the_shell() -> None:
    done = subprocess.run([sys.executable, "-m", "defectgen.cli", "ingset"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "defectgen: error: there is no command ingset; did you mean ingest?\n"


def test_who_has_read_enough_sees_no_traceback() -> None:
    """`defectgen ... | head`, before and while it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "defectgen.cli", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_letters_that_the_terminal_lacks_are_question_marks(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "defectgen.cli", "validate", "größe"]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    (tmp_path / "größe/good").mkdir(parents=True)
    (tmp_path / "größe/good/ö.png").touch()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "good/?.png  an empty file" in done.stdout
