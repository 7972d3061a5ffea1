"""Publishes DVC's artifacts to MLflow, from which everything there can be rebuilt.

A stage's record differs in every execution and is one of its outputs, so its hash is the key: a
complete run that has it is skipped. Any call may fail, or its response be lost, and the next
attempt gets the same result: objects are created with the tags by which they are found, metrics
have the time of the record, files have fixed names, and a run is marked complete last.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from esrgan_core.files import file_sha256
from esrgan_core.strict_json import from_json
from pipelines.config.artifacts import ALPHA_GRID, ARTIFACTS, EVALUATION_METRICS
from pipelines.config.errors import UserError
from pipelines.config.params import flatten
from pipelines.runtime.run_record import RunRecord, clear_run_name, read_record, record_path
from pipelines.runtime.tables import read_table
from pipelines.tracking.client import (
    KEY_TAG,
    RUN_TAG,
    STAGE_TAG,
    STATE_TAG,
    client,
    find_run,
    get_or_create_parent_run,
    get_or_create_run,
    log_metrics,
    log_params,
    sanitize_name,
)
from pipelines.tracking.model_runs import publish_models
from pipelines.tracking.store_errors import translate_errors
from pipelines.tracking.uploader import MetricsUploader

if TYPE_CHECKING:
    from mlflow.entities import RunTag

STAGES = (
    "download",
    "validate",
    "bicubic",
    "pretrain",
    "finetune",
    "interpolate",
    "evaluate",
    "register",
)
BASELINES = ("srcnn", "srresnet", "srgan", "sftnet", "sftgan", "contextual", "compare")
EVALUATED = ("metrics.json", "per_image.csv", "intervals.csv", "models.png", "report")
FILES: Mapping[str, tuple[str, ...]] = {
    stage: ("metrics.json", "curve.csv") for stage in ("pretrain", "finetune", *BASELINES)
} | {
    "download": ("skipped.csv", "../images/manifest.csv"),
    "validate": ("report.json", "docs"),
    "interpolate": ("grid.csv", "image_grid.csv", "choice.json", "images"),
    "evaluate": EVALUATED,
    "compare": EVALUATED,
    "register": ("decision.json",),
}
"""Files and folders of a stage for the UI."""


def publish_all() -> list[str]:
    """Publish all stages that have results here; return the names of those that MLflow lacked."""
    stages = [stage for stage in (*STAGES, *BASELINES) if record_path(stage).is_file()]
    return [stage for stage in stages if publish_stage(stage)]


def publish_stage(stage: str) -> bool:
    """Complete the MLflow run of a stage; return whether anything was missing.

    Raises:
        StoreError: if the store does not respond or refuses, or a file cannot be read.
    """
    from mlflow.entities import Metric, RunTag  # noqa: PLC0415

    record = read_record(stage)
    if record is None:
        raise UserError(f"no {record_path(stage)}; run `dvc repro` or `dvc pull`")
    folder, key = ARTIFACTS / stage, file_sha256(record_path(stage))
    with translate_errors():
        if find_run({KEY_TAG: key, STAGE_TAG: stage, STATE_TAG: "complete"}) is not None:
            return False
        parent = get_or_create_parent_run(record.run)
        run_id = _get_or_create_run(record, key, parent)
        log_params(run_id, dict(flatten(record.params)))
        for table in (folder / "curve.csv", folder / "usage.csv"):
            if table.is_file():
                MetricsUploader(run_id).upload(list(_rows(table)), folder / "samples")
        _log_files(run_id, folder, FILES.get(stage, ()))
        match stage:
            case "interpolate":
                _publish_grid(run_id, record.ended)
            case "evaluate" | "compare":
                publish_models(folder, record, parent, key, _tags(record))
            case "register":
                complete_parent_run(record.run)
            case _:
                pass
        log_metrics(run_id, [Metric("seconds", record.seconds, record.ended, 0)])
        client().set_terminated(run_id, "FINISHED")
        client().log_batch(run_id, tags=[*_tags(record), RunTag(KEY_TAG, key)])
    return True


def published_run_id(stage: str) -> str:
    """Id of the run that `publish_stage` completed."""
    with translate_errors():
        key = file_sha256(record_path(stage))
        run = find_run({KEY_TAG: key, STAGE_TAG: stage, STATE_TAG: "complete"})
    if run is None:
        raise UserError(f"MLflow lacks the results of {stage}; run `esrgan publish`")
    return str(run.info.run_id)


def complete_parent_run(name: str) -> None:
    """Log metrics and report to the run of a pipeline run, which may reuse results, and end it."""
    record = read_record("register")
    assert record
    key = file_sha256(record_path("register"))
    with translate_errors():
        if (run := find_run({RUN_TAG: name, STAGE_TAG: "pipeline", KEY_TAG: key})) is None:
            _fill_parent(record, key, parent := get_or_create_parent_run(name))
        else:
            parent = str(run.info.run_id)
        client().set_terminated(parent, "FINISHED")
    clear_run_name(record.run)


def _get_or_create_run(record: RunRecord, key: str, parent: str) -> str:
    """The run of an earlier attempt to publish, or the open run of the stage, or a new one.

    An open run is the one that the stage reported to, or, if the stage never reached the store,
    the one of an earlier attempt.
    """
    own = {RUN_TAG: record.run, STAGE_TAG: record.stage}
    publishing = {**own, KEY_TAG: key, STATE_TAG: "publishing"}
    run = find_run({**own, STATE_TAG: "open"})
    if run and record.mlflow_run_id in (run.info.run_id, "") and not find_run(publishing):
        return str(run.info.run_id)
    return get_or_create_run(record.stage, publishing, parent)


def _tags(record: RunRecord) -> "list[RunTag]":
    from mlflow.entities import RunTag  # noqa: PLC0415

    tags = {
        STATE_TAG: "complete",
        "git.commit": record.git_commit,
        "data.md5": record.data_md5,
        "params.sha256": record.params_sha256,
    } | ({"precision": record.precision} if record.precision else {})
    return [RunTag(name, text) for name, text in tags.items()]


def _rows(path: Path) -> Iterator[dict[str, float]]:
    """Rows of a CSV file, without empty cells."""
    for row in read_table(path).to_dict("records"):
        yield {str(name): float(value) for name, value in row.items() if pd.notna(value)}


def _log_files(run_id: str, folder: Path, names: Iterable[str]) -> None:
    for path in (folder / name for name in names):
        if path.is_dir():
            client().log_artifacts(run_id, str(path), path.name)
        else:
            client().log_artifact(run_id, str(path))


def _publish_grid(run_id: str, time: int) -> None:
    """Log metrics by alpha as a chart whose step is 100 * alpha."""
    from mlflow.entities import Metric  # noqa: PLC0415

    grid = read_table(ALPHA_GRID)
    metrics = [
        Metric(f"{sanitize_name(str(row['set']))}/{name}", float(row[name]), time, step)
        for row in grid.to_dict("records")
        for step in [round(100 * float(row["alpha"]))]
        for name in grid.columns.drop(["alpha", "set"])
    ]
    log_metrics(run_id, metrics)


def _fill_parent(record: RunRecord, key: str, parent: str) -> None:
    from mlflow.entities import Metric, RunTag  # noqa: PLC0415

    results = from_json(EVALUATION_METRICS.read_text(encoding="utf-8"))
    metrics = [
        Metric(f"{model}/{sanitize_name(set_name)}/{name}", value, record.ended, 0)
        for model, sets in results.items()
        for set_name, values in sets.items()
        for name, value in values.items()
    ]
    log_metrics(parent, metrics)
    _log_files(parent, EVALUATION_METRICS.parent, EVALUATED)
    client().set_tag(parent, "esrgan.made_by", record.run)
    client().log_batch(parent, tags=[*_tags(record), RunTag(KEY_TAG, key)])
