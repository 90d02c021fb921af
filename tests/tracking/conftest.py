"""An empty MLflow data base in a working directory of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty_data_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow data base, made once because it takes seconds; each test copies the file."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_LOGGING_LEVEL", "CRITICAL")
        from mlflow import MlflowClient

        MlflowClient(tracking_uri=f"sqlite:///{file}")
    return file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, no tracking server named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def tracked(here: Path, empty_data_base: Path) -> Path:
    """The same, with MLflow's data base already created."""
    (here / "data").mkdir()
    shutil.copy(empty_data_base, here / "data/mlflow.db")
    return here
