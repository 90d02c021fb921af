"""MLflow, and the only file that imports it: one run per product, one nested run per stage.

The record is kept in `MLFLOW_TRACKING_URI`, else in `data/mlflow.db` under the working directory. It is a convenience,
never a condition of the work: its first failure costs one warning and the rest of the record. Without an open run every
`log_*` function does nothing, so stages call them unconditionally.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import yaml

EXPERIMENT = "defectgen"
HOST, PID, STARTED = "defectgen.host", "defectgen.pid", "defectgen.started"

log = logging.getLogger(__name__)


def tracking_uri() -> str:
    """Where runs are recorded: `MLFLOW_TRACKING_URI`, else an absolute `sqlite:////.../data/mlflow.db`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('data/mlflow.db').absolute().as_posix()}"


def ui_command() -> str:
    """What shows the runs to a person: the address of a tracking server, else the shell command that starts one."""
    uri = tracking_uri()
    return uri if uri.startswith(("http://", "https://")) else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


@contextmanager
def pipeline_run(product: str, config: Mapping[str, Any]) -> Iterator[None]:
    """Everything inside is recorded in one run named after the product, with the resolved config and system metrics.

    The config is flattened into parameters (`train.inpaint.steps`) and kept whole as `config.yaml`. Runs that killed
    processes of this host left open are closed first. It ends FINISHED, FAILED (an exception) or KILLED (an interrupt).
    """
    global _tracker
    _tracker = _Tracker(tracking_uri())
    try:
        with _tracker.never_fatal():
            _tracker.connect()
            _tracker.close_stale_runs()
        with _run(product, config), ExitStack() as at_end:
            _write(lambda mlflow, client, run_id: client.log_text(run_id, _yaml(config), "config.yaml"))
            _write(lambda mlflow, client, run_id: at_end.callback(_watch_system(run_id, client.tracking_uri)))
            yield
    finally:
        _tracker = None


@contextmanager
def stage_run(stage: str, block: Mapping[str, Any]) -> Iterator[None]:
    """Everything inside is recorded in a nested run named after the stage: its block as parameters, its `seconds`."""
    with _run(stage, block):
        start = time.perf_counter()
        try:
            yield
        finally:
            log_metrics({"seconds": time.perf_counter() - start})


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Record numbers (NaN and infinities too) in the innermost open run, at `step` where there is a course to draw."""

    def write(mlflow: Any, client: Any, run_id: str) -> None:
        now = time.time_ns() // 1_000_000
        metrics = [mlflow.entities.Metric(_name(key), float(value), now, step or 0) for key, value in values.items()]
        client.log_batch(run_id, metrics=metrics)

    _write(write)


def log_artifact(path: Path) -> None:
    """Keep a copy of a file or folder with the innermost open run."""
    _write(lambda mlflow, client, run_id: client.log_artifact(run_id, str(path)))


def log_picture(path: Path, key: str, step: int | None = None) -> None:
    """Show an 8-bit picture file in the innermost open run; pictures of one key become a series over `step`."""
    name = _name(key, re.ASCII)
    _write(lambda mlflow, client, run_id: client.log_image(run_id, mlflow.Image(str(path)), key=name, step=step))


def log_data_set(name: str, folder: Path, digest: str, context: str, counts: Mapping[str, int] | None = None) -> None:
    """Record a data set as an input of the innermost open run.

    `digest` is the folder's (MLflow keeps 36 characters), `context` what it was used for ("train"), `counts` a profile.
    """

    def write(mlflow: Any, client: Any, run_id: str) -> None:
        source, profile = json.dumps({"uri": str(folder.absolute())}), json.dumps(dict(counts or {}))
        data_set = mlflow.entities.Dataset(name, digest[:36], source_type="local", source=source, profile=profile)
        tag = mlflow.entities.InputTag("mlflow.data.context", context)
        client.log_inputs(run_id, [mlflow.entities.DatasetInput(data_set, [tag])])

    _write(write)


class _Tracker:
    """A connection to MLflow and the stack of its open runs, the innermost last.

    MLflow's client and not its module functions: those keep the URI and the active run in global state.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.works = True
        self.open_runs: list[str] = []

    @contextmanager
    def never_fatal(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.works:
                reason = " ".join(str(error).split())[:300]
                log.warning("MLflow at %s failed; the work goes on, no longer tracked: %s", self.uri, reason)
            self.works = False

    def connect(self) -> None:
        _prepare_environment()
        artifacts = _prepare_sqlite(self.uri) if self.uri.startswith("sqlite") else None
        import mlflow

        self.mlflow, self.client = mlflow, mlflow.MlflowClient(tracking_uri=self.uri)
        known = self.client.get_experiment_by_name(EXPERIMENT)
        self.experiment_id = known.experiment_id if known else self.client.create_experiment(EXPERIMENT, artifacts)

    def close_stale_runs(self) -> None:
        mine = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{socket.gethostname()}'"
        for run in self.client.search_runs([self.experiment_id], mine):
            if _is_gone(int(run.data.tags[PID]), float(run.data.tags[STARTED])):
                self.client.set_terminated(run.info.run_id, "KILLED")

    def start(self, name: str) -> str:
        process = psutil.Process()
        tags = {HOST: socket.gethostname(), PID: str(process.pid), STARTED: str(process.create_time())}
        if self.open_runs:
            tags["mlflow.parentRunId"] = self.open_runs[-1]
        everything = self.mlflow.tracking.context.registry.resolve_tags(tags)
        run = self.client.create_run(self.experiment_id, tags=everything, run_name=name)
        self.open_runs.append(run.info.run_id)
        return run.info.run_id


_tracker: _Tracker | None = None


def _write(write: Callable[[Any, Any, str], object]) -> None:
    if _tracker and _tracker.works and _tracker.open_runs:
        with _tracker.never_fatal():
            write(_tracker.mlflow, _tracker.client, _tracker.open_runs[-1])


@contextmanager
def _run(name: str, block: Mapping[str, Any]) -> Iterator[None]:
    if (tracker := _tracker) is None or not tracker.works:
        yield
        return
    run_id, status = None, "FINISHED"
    with tracker.never_fatal():
        run_id = tracker.start(name)
    _write(lambda mlflow, client, run_id: client.log_batch(run_id, params=_parameters(mlflow, block)))
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        raise
    finally:
        if run_id is not None:
            tracker.open_runs.remove(run_id)
            # Tried even when the record broke in between: the server may be back, and RUNNING would be a lie.
            with tracker.never_fatal():
                tracker.client.set_terminated(run_id, status)


def _watch_system(run_id: str, uri: str) -> Callable[[], None]:
    """Start MLflow's thread that samples processors, memory, disk and network; returns what stops it."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, tracking_uri=uri)
    monitor.start()
    return monitor.finish


def _prepare_environment() -> None:
    """Before mlflow is imported: no telemetry, nothing printed, and a dead server noticed within seconds."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


def _prepare_sqlite(uri: str) -> str:
    """Make the data base's folder; returns the absolute folder beside it for artifacts (MLflow's own is `./mlruns`)."""
    from sqlalchemy.engine import make_url

    file = Path(make_url(uri).database or "").absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    # MLflow retries a data base that cannot be opened for 100 seconds; this one look fails at once.
    sqlite3.connect(file).close()
    return str(file.parent / "mlartifacts")


def _is_gone(pid: int, started: float) -> bool:
    """Whether the process of that id, started then (seconds since the epoch), has ended; an id can get a new owner."""
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - started) > 1
    except psutil.NoSuchProcess:
        return True


def _yaml(config: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(config, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _parameters(mlflow: Any, block: Mapping[str, Any]) -> list[Any]:
    """MLflow itself splits long lists into batches and cuts long values; two equal names would make it refuse all."""
    flat = {_name(key): value for key, value in _flatten(block)}
    return [mlflow.entities.Param(name, value) for name, value in flat.items()]


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
