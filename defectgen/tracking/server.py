"""MLflow, and the only file that imports it: how each kind of record is told to a tracking server.

MLflow's client and not its module functions: those keep the URI and the active run in global state. Every run carries
our own key as a tag, so that a record finds its run whichever process delivers it, and a run is never made twice.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from defectgen.tracking.outbox import Record

EXPERIMENT = "defectgen"
KEY, HOST, PID, STARTED = "defectgen.run", "defectgen.host", "defectgen.pid", "defectgen.started"
SECONDS = 5  # a server that does not answer may hold the work up, and again after each pause


class Server:
    """A connection to MLflow, made when it is first needed."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.connected = False
        self._run_ids: dict[str, str] = {}

    def connect(self) -> None:
        """Import MLflow and find our experiment."""
        if self.connected:
            return
        _prepare_environment()
        artifacts = _prepare_sqlite(self.uri) if self.uri.startswith("sqlite") else None
        import mlflow

        if not self.uri.startswith("http"):
            from mlflow.store.db import utils

            utils.MAX_RETRY_COUNT = 1  # MLflow's ten tries to open a data base take 100 seconds
        self._mlflow, self._client = mlflow, mlflow.MlflowClient(tracking_uri=self.uri)
        known = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT, artifacts)
        self.connected = True

    def is_away(self, error: Exception) -> bool:
        """Whether that came from a server which now takes nothing at all, whatever it is told."""
        if _is_of_connection(error):
            return True
        try:
            self.connect()
            self._client.set_experiment_tag(self._experiment, HOST, socket.gethostname())
        except Exception:
            return True
        return False

    def send(self, record: Record) -> None:
        """Tell one record; any exception means it was not taken."""
        self.connect()
        tell: dict[str, Callable[[Record], None]] = {
            "start": self._start,
            "end": self._end,
            "parameters": self._parameters,
            "metrics": self._metrics,
            "text": self._text,
            "file": self._file,
            "picture": self._picture,
            "data set": self._data_set,
        }
        tell[record.kind](record)

    def close_stale_runs(self) -> None:
        """Mark as KILLED the runs that processes of this host left open when they were killed."""
        self.connect()
        mine = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{socket.gethostname()}'"
        for run in self._client.search_runs([self._experiment], mine):
            if _is_gone(int(run.data.tags[PID]), float(run.data.tags[STARTED])):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def watch_system(self, key: str, log: Callable[[dict[str, float], int], None]) -> Callable[[], None]:
        """Start MLflow's thread that samples processors, memory, disk and network; returns what stops it."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        class Watch(SystemMetricsMonitor):
            """Tells our log and not the server, without which MLflow's own gives up."""

            def monitor(self) -> None:
                while not self._shutdown_event.wait(self.sampling_interval):
                    self.collect_metrics()
                    self.publish_metrics({f"system/{name}": value for name, value in self.aggregate_metrics().items()})

            def publish_metrics(self, metrics: dict[str, float]) -> None:
                log(metrics, self._logging_step)
                self._logging_step += 1
                for monitor in self.monitors:
                    monitor.clear_metrics()

        watch = Watch(self._run_id(key), tracking_uri=self.uri)
        watch.start()
        return watch.finish

    def _find(self, key: str) -> str | None:
        if key not in self._run_ids:
            for run in self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{key}'", max_results=1):
                self._run_ids[key] = run.info.run_id
        return self._run_ids.get(key)

    def _run_id(self, key: str) -> str:
        run_id = self._find(key)
        if run_id is None:
            raise LookupError(f"there is no run {key}")
        return run_id

    def _start(self, record: Record) -> None:
        if self._find(record.run):
            return
        tags = {KEY: record.run, **record.values["tags"]}
        if record.values["parent"]:
            tags["mlflow.parentRunId"] = self._run_id(record.values["parent"])
        everything = self._mlflow.tracking.context.registry.resolve_tags(tags)
        run = self._client.create_run(self._experiment, record.time, everything, record.values["name"])
        self._run_ids[record.run] = run.info.run_id

    def _end(self, record: Record) -> None:
        self._client.set_terminated(self._run_id(record.run), record.values["status"], record.time)

    def _parameters(self, record: Record) -> None:
        """MLflow itself splits long lists into batches and cuts long values."""
        parameters = [self._mlflow.entities.Param(name, value) for name, value in record.values["parameters"].items()]
        self._client.log_batch(self._run_id(record.run), params=parameters)

    def _metrics(self, record: Record) -> None:
        step, values = record.values["step"], record.values["metrics"]
        metrics = [self._mlflow.entities.Metric(name, value, record.time, step) for name, value in values.items()]
        self._client.log_batch(self._run_id(record.run), metrics=metrics)

    def _text(self, record: Record) -> None:
        self._client.log_text(self._run_id(record.run), record.values["text"], record.values["name"])

    def _file(self, record: Record) -> None:
        self._client.log_artifact(self._run_id(record.run), record.values["path"])

    def _picture(self, record: Record) -> None:
        image = self._mlflow.Image(record.values["path"])
        series = {"key": record.values["key"], "step": record.values["step"], "timestamp": record.time}
        self._client.log_image(self._run_id(record.run), image, **series)

    def _data_set(self, record: Record) -> None:
        """MLflow keeps 36 characters of a digest."""
        entities, values = self._mlflow.entities, record.values
        source, profile = json.dumps({"uri": values["folder"]}), json.dumps(values["counts"])
        data_set = entities.Dataset(values["name"], values["digest"][:36], "local", source, profile=profile)
        tag = entities.InputTag("mlflow.data.context", values["context"])
        self._client.log_inputs(self._run_id(record.run), [entities.DatasetInput(data_set, [tag])])


def identity() -> dict[str, str]:
    """Tags by which `close_stale_runs` knows whose a run is."""
    process = psutil.Process()
    return {HOST: socket.gethostname(), PID: str(process.pid), STARTED: str(process.create_time())}


def _is_of_connection(error: BaseException | None) -> bool:
    """Whether an exception, or one it followed from, says that nobody is there."""
    from requests import ConnectionError

    while error and not isinstance(error, ConnectionError):
        error = error.__cause__ or error.__context__
    return error is not None


def _prepare_environment() -> None:
    """Before mlflow is imported: no telemetry, nothing printed, and a server that is away noticed within seconds."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(SECONDS))


def _prepare_sqlite(uri: str) -> str:
    """Make the data base's folder; returns the absolute folder beside it for artifacts (MLflow's own is `./mlruns`)."""
    from sqlalchemy.engine import make_url

    file = Path(make_url(uri).database or "").absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Before MLflow is imported, which takes seconds.
    with closing(sqlite3.connect(file)) as data_base:
        data_base.execute("PRAGMA schema_version")
    return str(file.parent / "mlartifacts")


def _is_gone(pid: int, started: float) -> bool:
    """Whether the process of that id, started then (seconds since the epoch), has ended; an id can get a new owner."""
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - started) > 1
    except psutil.NoSuchProcess:
        return True
