"""A lock per output folder: one process writes it, or any number read it.

It is the operating system's lock on a file below data/.locks, so a killed process leaves none behind. The file holds
one line for each process that has taken the lock since the folder was last written: who, where, since when, for what.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from defectgen.errors import UserError


@contextmanager
def writing(data: Path, folder: Path, command: str) -> Iterator[None]:
    """Inside, no other process writes or reads the folder, which lies below `data`.

    Raises:
        UserError: one does; the line says which.
    """
    with _taken(data, folder, fcntl.LOCK_EX, command):
        yield


@contextmanager
def reading(data: Path, folder: Path, command: str) -> Iterator[None]:
    """Inside, no other process writes the folder, which lies below `data`.

    Raises:
        UserError: one does; the line says which.
    """
    with _taken(data, folder, fcntl.LOCK_SH, command):
        yield


@contextmanager
def _taken(data: Path, folder: Path, kind: int, command: str) -> Iterator[None]:
    path = data / ".locks" / folder.relative_to(data)
    path = path.with_name(f"{path.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            holders = " and ".join(_holders(path)) or "another process"
            raise UserError(f"{folder} is in use by {holders}; wait for its end or write elsewhere") from None
        except OSError as error:
            print(f"note: {folder}: the disk has no locks ({error.strerror}); start nothing else that uses the folder")
        if kind == fcntl.LOCK_EX:
            file.truncate(0)
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "command": command}
        file.write("\n" + json.dumps(mine))  # a line cut short must not spoil this one
        file.flush()
        yield


def _holders(path: Path) -> Iterator[str]:
    """Who may hold it: everyone in the file but the dead of this machine."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            holder: dict[str, Any] = json.loads(line)
        except ValueError:  # cut short
            continue
        if holder["host"] != socket.gethostname() or psutil.pid_exists(holder["pid"]):
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
            yield f"process {holder['pid']} on {holder['host']} since {since} (`{holder['command']}`)"
