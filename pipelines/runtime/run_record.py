"""The record of a stage's execution, from which its MLflow run can be rebuilt anywhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json
from pipelines.config.artifacts import ARTIFACTS
from pipelines.runtime.state import state_root

RUN = "ESRGAN_RUN"
"""Environment variable with the name of the pipeline run."""
REPORTED_LATER = ("download", "validate", "bicubic", "interpolate")
"""Stages that the next one, or `esrgan publish`, reports: importing MLflow may take longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """Content of `artifacts/<stage>/run.json`."""

    stage: str
    run: str
    """Name of the pipeline run."""
    mlflow_run_id: str
    """Empty if the store was down; `esrgan publish` then creates a run."""
    git_commit: str
    data_md5: str
    params_sha256: str
    params: Mapping[str, Any]
    started: float
    """Seconds since 1970."""
    seconds: float
    precision: str = ""
    """Precision of a training, where the parameters may say auto; empty for other stages."""

    @property
    def ended(self) -> int:
        """Milliseconds since 1970."""
        return round(1000 * (self.started + self.seconds))


def record_path(stage: str) -> Path:
    """The record of a stage."""
    return ARTIFACTS / stage / "run.json"


def read_record(stage: str) -> RunRecord | None:
    """A stage's record; None if the stage has not run and was not pulled."""
    path = record_path(stage)
    return RunRecord(**from_json(path.read_text(encoding="utf-8"))) if path.is_file() else None


def training_precision(stage: str) -> str:
    """The precision that a training stage used; empty for other stages."""
    path = ARTIFACTS / stage / "metrics.json"
    if not path.is_file():
        return ""
    return str(from_json(path.read_text(encoding="utf-8")).get("precision", ""))


def run_name() -> str:
    """Name of the current pipeline run in all tools; a new one if no run is in progress.

    `ESRGAN_RUN`, else DVC's name for the experiment, else a name in a file under the state root,
    which `clear_run_name` removes at the end of the run.
    """
    if name := os.environ.get(RUN) or os.environ.get("DVC_EXP_NAME"):
        return name
    path = state_root() / "current_run"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            write_text(path, f"repro-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        return path.read_text(encoding="utf-8")


def clear_run_name(name: str) -> None:
    """Let the next stage start a new pipeline run, if this one is current."""
    path = state_root() / "current_run"
    if path.exists() and path.read_text(encoding="utf-8") == name:
        path.unlink()
