"""Publishes DVC's artifacts to MLflow, from which everything there can be rebuilt.

A stage's record differs in every execution and is one of its outputs, so its hash is the key: a
complete run that has it is skipped. Any call may fail, or its response be lost, and the next
attempt gets the same result: objects are created with the tags by which they are found, metrics
have the time of the record, files have fixed names, and a run is marked complete last.
"""

from collections.abc import Iterable
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
from pipelines.tracking import client as store
from pipelines.tracking.model_runs import publish_models
from pipelines.tracking.store_errors import translate_errors
from pipelines.tracking.uploader import MetricsUploader

if TYPE_CHECKING:
    from mlflow.entities import Run

TRAINED = ("metrics.json", "curve.csv")
EVALUATED = ("metrics.json", "per_image.csv", "intervals.csv", "models.png", "report")
STAGES = {
    "download": ("skipped.csv", "../images/manifest.csv"),
    "validate": ("report.json", "docs"),
    "bicubic": (),
    "pretrain": TRAINED,
    "finetune": TRAINED,
    "interpolate": ("grid.csv", "image_grid.csv", "choice.json", "images"),
    "evaluate": EVALUATED,
    "register": ("decision.json",),
}
BASELINES = dict.fromkeys(
    ("srcnn", "srresnet", "srgan", "sftnet", "sftgan", "contextual"), TRAINED
) | {"compare": EVALUATED}
"""Files and folders of each stage for the UI."""


def publish_all(stages: Iterable[str] = (*STAGES, *BASELINES)) -> list[str]:
    """Publish the stages that have results here; return the names of those that MLflow lacked."""
    return [one for one in stages if record_path(one).is_file() and publish_stage(one)]


def publish_stage(stage: str) -> bool:
    """Complete the MLflow run of a stage; return whether anything was missing."""
    record = read_record(stage)
    if record is None:
        raise UserError(f"no {record_path(stage)}; run `dvc repro` or `dvc pull`")
    folder, key = ARTIFACTS / stage, file_sha256(record_path(stage))
    with translate_errors():
        if _find_complete_run(stage) is not None:
            return False
        parent = store.get_or_create_parent_run(record.run)
        run_id = _get_or_create_run(record, key, parent)
        store.log_params(run_id, dict(flatten(record.params)))
        for table in (folder / "curve.csv", folder / "usage.csv"):
            if table.is_file():
                rows = [
                    {str(name): float(value) for name, value in row.items() if pd.notna(value)}
                    for row in read_table(table).to_dict("records")
                ]
                MetricsUploader(run_id).upload(rows, folder / "samples")
        _log_files(run_id, folder, (STAGES | BASELINES)[stage])
        match stage:
            case "interpolate":
                _publish_grid(run_id, record.ended)
            case "evaluate" | "compare":
                publish_models(folder, record, parent, key, _tags(record))
            case "register":
                complete_parent_run(record.run)
        store.log_metrics(run_id, [("seconds", record.seconds, record.ended, 0)])
        store.client().set_terminated(run_id, "FINISHED")
        store.set_tags(run_id, _tags(record) | {store.KEY_TAG: key})
    return True


def published_run_id(stage: str) -> str:
    """Id of the run that `publish_stage` completed."""
    with translate_errors():
        run = _find_complete_run(stage)
    if run is None:
        raise UserError(f"MLflow lacks the results of {stage}; run `esrgan publish`")
    return str(run.info.run_id)


def complete_parent_run(name: str) -> None:
    """Log metrics and report to the run of a pipeline run, which may reuse results, and end it."""
    record = read_record("register")
    assert record
    own = {store.KEY_TAG: file_sha256(record_path("register"))}
    with translate_errors():
        if run := store.find_run({store.RUN_TAG: name, store.STAGE_TAG: "pipeline", **own}):
            parent = str(run.info.run_id)
        else:
            parent = store.get_or_create_parent_run(name)
            results = from_json(EVALUATION_METRICS.read_text(encoding="utf-8"))
            points = [
                (f"{model}/{store.sanitize_name(set_name)}/{metric}", value, record.ended, 0)
                for model, sets in results.items()
                for set_name, values in sets.items()
                for metric, value in values.items()
            ]
            store.log_metrics(parent, points)
            _log_files(parent, EVALUATION_METRICS.parent, EVALUATED)
            store.set_tags(parent, _tags(record) | own | {"esrgan.made_by": record.run})
        store.client().set_terminated(parent, "FINISHED")
    clear_run_name(record.run)


def _find_complete_run(stage: str) -> "Run | None":
    key = file_sha256(record_path(stage))
    return store.find_run({store.KEY_TAG: key, store.STAGE_TAG: stage, store.STATE_TAG: "complete"})


def _get_or_create_run(record: RunRecord, key: str, parent: str) -> str:
    """The run of an earlier attempt to publish, or the open run of the stage, or a new one.

    An open run is the one that the stage reported to, or, if the stage never reached the store,
    the one of an earlier attempt.
    """
    own = {store.RUN_TAG: record.run, store.STAGE_TAG: record.stage}
    publishing = {**own, store.KEY_TAG: key, store.STATE_TAG: "publishing"}
    run = store.find_run({**own, store.STATE_TAG: "open"})
    if run and record.mlflow_run_id in (run.info.run_id, "") and not store.find_run(publishing):
        return str(run.info.run_id)
    return store.get_or_create_run(record.stage, publishing, parent)


def _tags(record: RunRecord) -> dict[str, str]:
    return {
        store.STATE_TAG: "complete",
        "git.commit": record.git_commit,
        "data.md5": record.data_md5,
        "params.sha256": record.params_sha256,
    } | ({"precision": record.precision} if record.precision else {})


def _log_files(run_id: str, folder: Path, names: Iterable[str]) -> None:
    for path in (folder / name for name in names):
        if path.is_dir():
            store.client().log_artifacts(run_id, str(path), path.name)
        else:
            store.client().log_artifact(run_id, str(path))


def _publish_grid(run_id: str, time: int) -> None:
    """Log metrics by alpha as a chart whose step is 100 * alpha."""
    grid = read_table(ALPHA_GRID)
    points = [
        (f"{store.sanitize_name(row['set'])}/{name}", row[name], time, round(100 * row["alpha"]))
        for row in grid.to_dict("records")
        for name in grid.columns.drop(["alpha", "set"])
    ]
    store.log_metrics(run_id, points)
