"""The record of what happened, for MLflow to show: one run per product, one nested run per stage.

It is kept in `MLFLOW_TRACKING_URI`, else in `data/mlflow.db` under the working directory. It is a convenience, never a
condition of the work: what a server that does not answer misses waits in a file and is told when it is back, in the
same run or at the start of the next. Without an open run every `log_*` function does nothing, so stages call them
unconditionally.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import yaml

from defectgen.tracking.outbox import Outbox, Record
from defectgen.tracking.server import Server, identity

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0  # seconds between two tries to reach a server; each is twice the one before

log = logging.getLogger(__name__)


def tracking_uri() -> str:
    """Where runs are recorded: `MLFLOW_TRACKING_URI`, else an absolute `sqlite:////.../data/mlflow.db`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('data/mlflow.db').absolute().as_posix()}"


def ui_command() -> str:
    """What shows the runs to a person: the address of a tracking server, else the shell command that starts one."""
    uri = tracking_uri()
    return uri if uri.startswith(("http://", "https://")) else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


@contextmanager
def pipeline_run(product: str, config: Mapping[str, Any], folder: Path) -> Iterator[None]:
    """Everything inside is recorded in one run named after the product, with the resolved config and system metrics.

    The config is flattened into parameters (`train.inpaint.steps`) and kept whole as `config.yaml`. What the server
    misses waits in `folder`; what it missed of earlier runs is told first, and runs that killed processes of this host
    left open are closed. It ends FINISHED, FAILED (an exception) or KILLED (an interrupt).
    """
    global _tracker
    _tracker = _Tracker(tracking_uri(), folder)
    try:
        _tracker.catch_up()
        with run(product, config), ExitStack() as at_end:
            _tell("text", text=_yaml(config), name="config.yaml")
            at_end.callback(_tracker.watch_system())
            yield
    finally:
        _tracker.close()
        _tracker = None


@contextmanager
def stage_run(stage: str, block: Mapping[str, Any]) -> Iterator[None]:
    """Everything inside is recorded in a nested run named after the stage: its block as parameters, its `seconds`."""
    with run(stage, block):
        start = time.perf_counter()
        try:
            yield
        finally:
            log_metrics({"seconds": time.perf_counter() - start})


def catch_up(folder: Path) -> None:
    """Tell the server what it missed of earlier runs, where something waits in `folder`."""
    if any(folder.glob("*.jsonl")):
        _Tracker(tracking_uri(), folder).catch_up()


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Record numbers (NaN and infinities too) in the innermost open run, at `step` where there is a course to draw."""
    _tell("metrics", metrics={_name(key): float(value) for key, value in values.items()}, step=step or 0)


def log_artifact(path: Path) -> None:
    """Keep a copy of a file or folder with the innermost open run."""
    _tell("file", path=str(path.absolute()))


def log_picture(path: Path, key: str, step: int | None = None) -> None:
    """Show an 8-bit picture file in the innermost open run; pictures of one key become a series over `step`."""
    _tell("picture", path=str(path.absolute()), key=_name(key, re.ASCII), step=step)


def log_data_set(name: str, folder: Path, digest: str, context: str, counts: Mapping[str, int] | None = None) -> None:
    """Record a data set as an input of the innermost open run.

    `digest` is the folder's, `context` what it was used for ("train"), `counts` a profile.
    """
    plain = {label: int(count) for label, count in (counts or {}).items()}
    _tell("data set", name=name, folder=str(folder.absolute()), digest=digest, context=context, counts=plain)


class _Tracker:
    """The stack of open runs, the innermost last, and the way of their records: to the server, or into the outbox.

    open_runs: their keys. Safe to use from several threads: one of them samples the system.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        self.server, self.folder = Server(uri), folder
        self.open_runs: list[str] = []
        self._outbox: Outbox | None = None
        self._lock = threading.RLock()
        self._warned = False
        self._pause, self._retry_at = FIRST_PAUSE, 0.0

    def put(self, record: Record) -> None:
        """Tell the server; where it does not answer, or others wait, let the record wait for its turn."""
        with self._lock, self._never_fatal():
            is_time, others_wait = monotonic() >= self._retry_at, self._outbox is not None
            if is_time and not others_wait and self._told(record):
                return
            self._outbox = self._outbox or Outbox.new(self.folder, self.server.uri)
            self._outbox.append(record)
            if is_time and others_wait:
                self.catch_up()

    def catch_up(self) -> None:
        """Tell the server what it has missed, of this run and of those that have ended."""
        with self._lock, self._never_fatal():
            for outbox in Outbox.left_behind(self.folder, self.server.uri):
                if not outbox.deliver(self._told):
                    outbox.close()
                    return
            if self._attempt(self.server.close_stale_runs) and self._outbox and self._outbox.deliver(self._told):
                self._outbox, self._pause = None, FIRST_PAUSE

    def close(self) -> None:
        """Try once more, and leave what the server still does not take to the next run."""
        if self._outbox:
            self.catch_up()
        with self._never_fatal():
            if self._outbox:
                self._outbox.close()

    def watch_system(self) -> Callable[[], None]:
        """Sample the machine for the innermost run, if the server is there; returns what ends it."""
        run = self.open_runs[-1]

        def tell(metrics: dict[str, float], step: int) -> None:
            self.put(Record(run, "metrics", {"metrics": metrics, "step": step}))

        if self._outbox is None:
            with self._never_fatal():
                return self.server.watch_system(run, tell)
        return lambda: None

    def _told(self, record: Record) -> bool:
        return self._attempt(lambda: self.server.send(record))

    def _attempt(self, call: Callable[[], None]) -> bool:
        """Whether the server took it, or never will: that is so where it answers and still refuses the same twice."""
        for _ in range(2):
            try:
                call()
                return True
            except Exception as error:
                if self.server.is_away(error):
                    self._warn("does not answer; the work goes on, and the record waits for it", error)
                    self._retry_at = monotonic() + self._pause
                    self._pause = min(2 * self._pause, LONGEST_PAUSE)
                    return False
                reason = error
        self._warn("refused a part of the record; the work goes on without it", reason)
        return True

    @contextmanager
    def _never_fatal(self) -> Iterator[None]:
        """The disk that the outbox lies on can be full."""
        try:
            yield
        except Exception as error:
            self._warn("misses a part of the record; the work goes on", error)

    def _warn(self, what: str, error: Exception) -> None:
        """Once is enough."""
        if not self._warned:
            log.warning("MLflow at %s %s: %s", self.server.uri, what, " ".join(str(error).split())[:300])
        self._warned = True


_tracker: _Tracker | None = None


def _tell(kind: str, **values: Any) -> None:
    if _tracker and _tracker.open_runs:
        _tracker.put(Record(_tracker.open_runs[-1], kind, values))


@contextmanager
def run(name: str, block: Mapping[str, Any]) -> Iterator[None]:
    """Everything inside is recorded in a run with the block as parameters, within the innermost open one."""
    if (tracker := _tracker) is None:
        yield
        return
    parent = tracker.open_runs[-1] if tracker.open_runs else None
    tracker.open_runs.append(uuid.uuid4().hex)
    status = "FINISHED"
    _tell("start", name=name, parent=parent, tags=identity())
    _tell("parameters", parameters={_name(key): value for key, value in _flatten(block)})
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        raise
    finally:
        _tell("end", status=status)
        tracker.open_runs.pop()


def _yaml(config: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(config, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _flatten(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in block.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str)


def _name(name: str, flags: re.RegexFlag = re.NOFLAG) -> str:
    """A name MLflow accepts: letters, digits, `_-. /`; a normal relative path; 250 characters (the end tells more)."""
    parts = re.sub(r"[^\w\-. /]", "_", name[-250:], flags=flags).split("/")
    return "/".join(part for part in parts if part.strip(".")) or "_"
