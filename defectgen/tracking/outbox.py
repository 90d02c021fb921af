"""Records that the tracking server could not take yet, in a file that outlives the process.

`<server>-<time>-<process>.jsonl` holds one record per line, in order, and lines that say how many from the top have
been delivered since. A process keeps its file locked; the file of one that has ended is delivered by the next.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


def now() -> int:
    """Milliseconds since the epoch, as MLflow counts."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Record:
    """Something to tell the server about a run, in plain builtins."""

    run: str  # our own key of the run: the server's is not known until it has answered
    kind: str  # "start", "metrics", ...: how it is told
    values: dict[str, Any]
    time: int = field(default_factory=now)  # when it was true


class Outbox:
    """The waiting records of one process."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            BlockingIOError: it belongs to a process that lives.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._file = path, path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def new(cls, folder: Path, server: str) -> Self:
        """An empty one for the server at that address, which may hold a password and is hashed."""
        return cls(folder / f"{_name(server)}-{time.time_ns()}-{os.getpid()}.jsonl")

    @classmethod
    def left_behind(cls, folder: Path, server: str) -> Iterator[Self]:
        """Those of ended processes for the server at that address, the oldest first."""
        for path in sorted(folder.glob(f"{_name(server)}-*.jsonl")):
            try:
                yield cls(path)
            except BlockingIOError:
                continue

    def append(self, record: Record) -> None:
        """Let a record wait."""
        self._write(asdict(record))

    def deliver(self, take: Callable[[Record], bool]) -> bool:
        """Hand over what waits, in order, until one is not taken; whether all was, and then the file is gone."""
        waiting, taken = self._waiting(), 0
        try:
            for record in waiting:
                if not take(record):
                    return False
                taken += 1
        finally:
            if taken:
                self._write({"delivered": taken})
        self._path.unlink(missing_ok=True)
        self.close()
        return True

    def close(self) -> None:
        """Leave what waits to the next process."""
        self._file.close()

    def _waiting(self) -> list[Record]:
        records, delivered = [], 0
        self._file.seek(0)
        for text in self._file:
            try:
                line = json.loads(text)
                if "delivered" in line:
                    delivered += line["delivered"]
                else:
                    records.append(Record(**line))
            except (ValueError, TypeError):  # its writer was killed, or the disk was full
                continue
        return records[delivered:]

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write("\n" + json.dumps(line))  # a line that was cut short must not spoil this one
        self._file.flush()
        os.fsync(self._file.fileno())


def _name(server: str) -> str:
    return hashlib.sha256(server.encode()).hexdigest()[:12]
