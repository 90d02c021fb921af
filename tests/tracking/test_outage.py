"""A tracking server that goes away takes nothing with it: its figures wait on the disk and are told when it is back."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from recorded import WAITING, artifacts, client, history, recorded, statuses

from defectgen import tracking
from defectgen.tracking.outbox import Outbox, Record

KILLED = """
import os
from pathlib import Path
from defectgen import tracking
with tracking.pipeline_run("killed", {}, Path("data/tracking")), tracking.stage_run("train", {}):
    tracking.log_metrics({"loss": 0.5}, 7)
    os._exit(1)
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is tried again at once."""
    monkeypatch.setattr(tracking, "FIRST_PAUSE", 0.0)


@contextmanager
def away(data_base: Path) -> Iterator[None]:
    """Inside, the server can neither read nor write."""
    content = data_base.read_bytes()
    data_base.write_bytes(b"no data base " * 100)
    yield
    data_base.write_bytes(content)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_figures_of_an_outage_are_told_later_in_the_same_run(
    tracked: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    (tracked / "page.html").write_text("page")
    with tracking.pipeline_run("tile", {}, WAITING):
        with tracking.stage_run("train", {}):
            tracking.log_metrics({"loss": 4.0}, 10)
            with away(tracked / "data/mlflow.db"):
                tracking.log_metrics({"loss": 3.0}, 20)
                tracking.log_metrics({"loss": 2.0}, 30)
                tracking.log_artifact(Path("page.html"))
        with away(tracked / "data/mlflow.db"), tracking.stage_run("plan", {"seed": 3}):
            tracking.log_metrics({"placed": 8})
        tracking.log_metrics({"accepted": 12})
        assert history("train", "loss") == [(10, 4.0), (20, 3.0), (30, 2.0)], "before the run has ended"
    (warning,) = warnings(caplog)
    assert "does not answer" in warning
    assert statuses() == dict.fromkeys(["tile", "train", "plan"], "FINISHED")
    assert recorded()["plan"].data.params == {"seed": "3"} and recorded()["plan"].data.metrics["placed"] == 8
    assert artifacts(recorded()["train"]) == ["page.html"]
    assert list(WAITING.iterdir()) == []


def test_before_a_run_ends_the_server_is_tried_again_whatever_the_pause(tracked: Path) -> None:
    with tracking.pipeline_run("tile", {}, WAITING):
        with away(tracked / "data/mlflow.db"):
            tracking.log_metrics({"loss": 3.0}, 20)
        tracking.log_metrics({"loss": 2.0}, 30)
        assert "loss" not in recorded()["tile"].data.metrics, "the pause is not over"
    assert history("tile", "loss") == [(20, 3.0), (30, 2.0)]
    assert statuses() == {"tile": "FINISHED"}


def test_figures_of_a_run_that_ended_in_an_outage_are_told_by_the_next_with_their_times(tracked: Path) -> None:
    with away(tracked / "data/mlflow.db"):
        with pytest.raises(ValueError), tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
            tracking.log_metrics({"loss": 4.0}, 10)
            tracking.log_metrics({"loss": 3.0}, 20)
            raise ValueError
        ended = time.time() * 1000
        assert len(list(WAITING.iterdir())) == 1
    with tracking.pipeline_run("next", {}, WAITING):
        assert statuses() == {"tile": "FAILED", "train": "FAILED", "next": "RUNNING"}
    run = recorded()["train"]
    assert history("train", "loss") == [(10, 4.0), (20, 3.0)]
    points = client().get_metric_history(run.info.run_id, "loss")
    assert all(run.info.start_time <= point.timestamp <= ended for point in points)
    assert run.data.tags["mlflow.parentRunId"] == recorded()["tile"].info.run_id
    assert run.info.start_time <= run.info.end_time <= ended < recorded()["next"].info.start_time
    assert list(WAITING.iterdir()) == []


def test_a_run_with_nothing_to_do_tells_them_too(tracked: Path) -> None:
    with away(tracked / "data/mlflow.db"), tracking.pipeline_run("tile", {}, WAITING):
        tracking.log_metrics({"accepted": 12})
    tracking.catch_up(WAITING)
    assert recorded()["tile"].data.metrics == {"accepted": 12}
    tracking.catch_up(WAITING)
    assert statuses() == {"tile": "FINISHED"}


def test_a_run_is_not_made_twice_where_the_answer_was_lost(
    tracked: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, lost = tracking.server.Server._start, [ConnectionError("too late"), ConnectionError("too late")]

    def late(server: tracking.server.Server, record: Record) -> None:
        create(server, record)
        server._run_ids.clear()
        if lost:
            raise lost.pop()

    monkeypatch.setattr(tracking.server.Server, "_start", late)
    with tracking.pipeline_run("tile", {}, WAITING):
        tracking.log_metrics({"accepted": 12})
    assert recorded()["tile"].data.metrics["accepted"] == 12
    assert statuses() == {"tile": "FINISHED"}


def test_what_a_killed_process_left_is_told_and_its_runs_are_closed(tracked: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
    with away(tracked / "data/mlflow.db"):
        subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, check=False)
    tracking.catch_up(WAITING)
    assert statuses() == {"killed": "KILLED", "train": "KILLED"}
    assert history("train", "loss") == [(7, 0.5)]


def test_what_waits_for_a_living_process_or_another_server_is_left_alone(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/user:secret.db")
    with tracking.pipeline_run("elsewhere", {}, WAITING):
        pass
    (elsewhere,) = WAITING.iterdir()
    assert "secret" not in elsewhere.name + elsewhere.read_text()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    mine = Outbox.new(WAITING, tracking.tracking_uri())
    mine.append(Record("key", "start", {"name": "living", "parent": None, "tags": {}}))
    before = {path: path.read_text() for path in WAITING.iterdir()}
    with tracking.pipeline_run("next", {}, WAITING):
        pass
    assert statuses() == {"next": "FINISHED"}
    assert {path: path.read_text() for path in WAITING.iterdir()} == before
    mine.close()
    tracking.catch_up(WAITING)
    assert set(statuses()) == {"next", "living"}


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    outbox = Outbox.new(tmp_path, "server")
    outbox.append(Record("run", "metrics", {"loss": 1.0}))
    outbox.close()
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text() + '\n{"run": "run", "kind": "metr')
    (again,) = Outbox.left_behind(tmp_path, "server")
    again.append(Record("run", "metrics", {"loss": 3.0}))
    told: list[float] = []
    assert again.deliver(lambda record: told.append(record.values["loss"]) is None)
    assert told == [1.0, 3.0]
    assert list(tmp_path.iterdir()) == []


def test_delivery_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    outbox, told, refused = Outbox.new(tmp_path, "server"), list[int](), [1, 3]
    for number in range(5):
        outbox.append(Record("run", "metrics", {"number": number}))

    def take(record: Record) -> bool:
        told.append(number := record.values["number"])
        return number not in refused or refused.remove(number) is not None

    def killed(record: Record) -> bool:
        raise KeyboardInterrupt

    assert not outbox.deliver(take)
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver(killed)
    outbox.close()
    (again,) = Outbox.left_behind(tmp_path, "server")
    assert not again.deliver(take)
    again.deliver(lambda record: told.append(record.values["number"]) is None)
    assert told == [0, 1, 1, 2, 3, 3, 4]


def test_a_full_disk_under_the_record_costs_one_warning(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/none.db")
    with tracking.pipeline_run("tile", {}, Path("/dev/full/tracking")), tracking.stage_run("train", {}):
        tracking.log_metrics({"loss": 1.0}, 1)
    assert len(warnings(caplog)) == 1


class Mute:
    """A server that takes connections and never answers; counts them."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.kept: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def _listen(self) -> None:
        while True:
            try:
                self.kept.append(self.socket.accept()[0])
            except OSError:
                return


def test_a_server_that_hangs_is_not_asked_again_and_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each question would cost the whole time limit: one at the start, one at the end, and one a pause in between."""
    server, clock = Mute(), [0.0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(tracking, "monotonic", lambda: clock[0])
    asked = []
    with tracking.pipeline_run("tile", {}, WAITING), tracking.stage_run("train", {}):
        for step in range(100):
            clock[0] += 0.125
            before = len(server.kept)
            tracking.log_metrics({"loss": 1.0}, step)
            if len(server.kept) > before:
                asked.append(clock[0])
    server.socket.close()
    assert asked == [5.0], "once in 12 seconds of work"
    assert len(server.kept) == 3, "and at the start and the end"
    assert len(warnings(caplog)) == 1
    waiting = [json.loads(line)["values"] for line in next(WAITING.iterdir()).read_text().split("\n")[1:]]
    assert [values["step"] for values in waiting if "loss" in values.get("metrics", {})] == list(range(100))


def test_pauses_grow_up_to_a_limit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/none.db")
    clock, tried = [0.0], list[float]()
    monkeypatch.setattr(tracking, "monotonic", lambda: clock[0])
    connect = tracking.server.Server.connect

    def watched(server: tracking.server.Server) -> None:
        tried.append(clock[0])
        connect(server)

    monkeypatch.setattr(tracking.server.Server, "connect", watched)
    with tracking.pipeline_run("tile", {}, WAITING):
        for second in range(0, 2000, 5):
            clock[0] = float(second)
            tracking.log_metrics({"loss": 1.0}, second)
        moments = sorted(set(tried))
    assert moments == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215, 1515, 1815]
