"""One process writes a folder or several read it; who comes too late is told who is there."""

import fcntl
import json
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from defectgen import lock
from defectgen.errors import UserError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def folder(data: Path) -> Path:
    return data / "train/tile/inpaint"


@pytest.mark.parametrize(
    ("first", "second"), [(lock.writing, lock.writing), (lock.writing, lock.reading), (lock.reading, lock.writing)]
)
def test_a_writer_is_alone(data: Path, folder: Path, first: object, second: object) -> None:
    assert callable(first) and callable(second)
    with first(data, folder, "the first"):
        with pytest.raises(UserError) as raised, second(data, folder, "the second"):
            pass
        assert str(raised.value).startswith(
            f"{folder} is in use by process {os.getpid()} on {socket.gethostname()} since 20"
        )
        assert "(`the first`); wait for its end" in str(raised.value)
        with pytest.raises(UserError, match="`the first`"), second(data, folder, "the third"):
            pass
    with second(data, folder, "the second"):
        pass


def test_only_the_present_writer_is_named(data: Path, folder: Path) -> None:
    with lock.writing(data, folder, "before"):
        pass
    with lock.writing(data, folder, "now"), pytest.raises(UserError) as raised, lock.reading(data, folder, ""):
        pass
    assert "(`now`)" in str(raised.value) and "before" not in str(raised.value)


def test_several_may_read_and_all_of_them_are_named(data: Path, folder: Path) -> None:
    both = pytest.raises(UserError, match=r"\(`one`\) and process .*\(`two`\); wait")
    with lock.reading(data, folder, "one"), lock.reading(data, folder, "two"), both, lock.writing(data, folder, ""):
        pass


def test_the_dead_of_this_machine_are_not_named(data: Path, folder: Path) -> None:
    with lock.writing(data, folder, "writer"):
        pass
    (path,) = (file for file in data.rglob("*.lock"))
    others = [(2**22 + 1, socket.gethostname(), "departed"), (1, "elsewhere", "far away")]
    for pid, host, command in others:
        line = {"pid": pid, "host": host, "since": 0.0, "command": command}
        path.write_text(path.read_text() + "\n" + json.dumps(line))
    path.write_text(path.read_text() + '\n{"pid": 3, "ho')
    with lock.reading(data, folder, "reader"), pytest.raises(UserError) as raised, lock.writing(data, folder, ""):
        pass
    assert "departed" not in str(raised.value)
    assert "(`far away`)" in str(raised.value) and "(`reader`)" in str(raised.value)


def test_a_lock_ends_with_an_error_inside(data: Path, folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock.writing(data, folder, "writer"):
        raise ZeroDivisionError
    with lock.writing(data, folder, "writer"):
        pass


def test_folders_of_their_own_do_not_meet(data: Path) -> None:
    """Products may have dots in their names."""
    names = ("train/a/inpaint", "train/a.b/inpaint", "train/a/critic", "plan/a", "plan/a.b")
    with ExitStack() as locks:
        for name in names:
            locks.enter_context(lock.writing(data, data / name, ""))
        assert not any((data / name).exists() for name in names), "and the folders themselves stay untouched"


def test_a_disk_without_locks_costs_a_note_and_no_work(
    data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock.writing(data, folder, "writer"):
        pass
    assert "the disk has no locks (No locks available)" in capsys.readouterr().out
