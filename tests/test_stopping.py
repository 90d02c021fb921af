"""What the command line makes of signals and of the disk's answers: one line, and the exit code a shell expects."""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import fake_stages
import pytest

from defectgen import tracking
from defectgen.cli import main
from defectgen.steps import Step
from defectgen.stopping import Postponed, Terminated, sigterm_raises

GOES_ON = "the same command goes on where it stopped"


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signal handlers are as before afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/none.db")
    monkeypatch.setattr(tracking.log, "warning", lambda *_: None)
    Path("pictures").mkdir()
    Path("tile.yaml").write_text("product: tile\ningest: {source: pictures}\n")


def crashed(crash: BaseException) -> int:
    fake_stages.CRASHES.append(crash)
    return main(["run", "--config", "tile.yaml"], fake_stages.STEPS)


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "No space left on device; make room"),
        (errno.EDQUOT, "Disk quota exceeded; make room"),
        (errno.EROFS, "Read-only file system; make the disk writable"),
        (errno.EACCES, "Permission denied; change its permissions"),
        (errno.EIO, "Input/output error; look after the disk"),
    ],
)
def test_what_the_disk_refuses_costs_one_line(
    product: None, capsys: pytest.CaptureFixture[str], number: int, mend: str
) -> None:
    assert crashed(OSError(number, os.strerror(number), "data/a.png")) == 2
    assert capsys.readouterr().err == f"defectgen: error: data/a.png: {mend}, {GOES_ON}\n"


def test_other_faults_of_the_system_are_ours_and_keep_their_traceback(product: None) -> None:
    with pytest.raises(FileNotFoundError):
        crashed(FileNotFoundError(errno.ENOENT, "No such file", "data/a.png"))


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_stage_with_the_code_a_shell_expects(
    product: None, handlers: None, capsys: pytest.CaptureFixture[str], number: int, code: int, word: str
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    Path("tile.yaml").write_text("product: tile\n")
    asked = [Step("asked", f"test_stopping:{word}", "a stage that is asked to end")]
    assert main(["run", "--config", "tile.yaml"], asked) == code
    assert capsys.readouterr().err == f"defectgen: {word}; {GOES_ON}\n"
    assert signal.getsignal(signal.SIGTERM) is before


def interrupted(out: Path) -> str:
    """Ctrl-C while it works."""
    signal.raise_signal(signal.SIGINT)
    return "not reached"


def terminated(out: Path) -> str:
    """SIGTERM while it works."""
    signal.raise_signal(signal.SIGTERM)
    return "not reached"


def test_a_postponed_request_is_remembered_and_raised_on_leaving(handlers: None) -> None:
    done = []
    with pytest.raises(Terminated), sigterm_raises(), Postponed() as postponed:
        assert postponed.asked is None
        signal.raise_signal(signal.SIGTERM)
        assert isinstance(postponed.asked, Terminated)
        done.append("the rest")
    assert done == ["the rest"]


def test_a_request_is_not_lost_to_an_error_that_follows_from_it(handlers: None) -> None:
    """A worker process got the same signal and has died of it."""
    with pytest.raises(Terminated), Postponed():
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("worker is killed by signal: Terminated")


def test_the_second_request_does_not_wait(handlers: None) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Postponed():
        signal.raise_signal(signal.SIGINT)
        done.append("between")
        signal.raise_signal(signal.SIGINT)
        done.append("after")
    assert done == ["between"]


def test_without_a_request_nothing_is_raised_and_errors_pass(handlers: None) -> None:
    with Postponed():
        pass
    with pytest.raises(RuntimeError, match="ours"), Postponed():
        raise RuntimeError("ours")


def test_a_signal_that_the_process_ignores_stays_ignored(handlers: None) -> None:
    """As under nohup, or behind the & of a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Postponed() as postponed:
        signal.raise_signal(signal.SIGINT)
        assert postponed.asked is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
