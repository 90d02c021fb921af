"""What a person finds in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from defectgen import tracking

WAITING = Path("data/tracking")  # what the server misses


def client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking.tracking_uri())


def recorded() -> dict[str, Any]:
    """The runs in the record, by name."""
    experiment = client().get_experiment_by_name("defectgen")
    return {run.info.run_name: run for run in client().search_runs([experiment.experiment_id])}


def statuses() -> dict[str, str]:
    return {name: run.info.status for name, run in recorded().items()}


def artifacts(run: Any, folder: str | None = None) -> list[str]:
    return [Path(entry.path).name for entry in client().list_artifacts(run.info.run_id, folder)]


def history(name: str, metric: str) -> list[tuple[int, float]]:
    """(step, value) of a run's metric, in the order of its timestamps."""
    told = client().get_metric_history(recorded()[name].info.run_id, metric)
    return [(point.step, point.value) for point in sorted(told, key=lambda point: point.timestamp)]
