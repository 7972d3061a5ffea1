"""DVC's artifacts into MLflow: everything there can be rebuilt from here, and nothing twice.

A stage's record differs for every execution and is one of its outputs, so its hash is the
key: a run that carries it and is complete is left alone.

Any call may be the last one, or its answer be lost, and the next attempt ends where an undisturbed
one does: what is made carries from the beginning what it is found by, figures have the time of the
record, files have fixed names, and that a run is complete is said last.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from esrgan_core.files import file_sha256
from esrgan_core.strict_json import from_json
from pipelines.config.artifacts import (
    ALPHA_CHOICE,
    ALPHA_GRID,
    ARTIFACTS,
    EVALUATION_METRICS,
    IMAGE_GRID,
    MANIFEST,
    SKIPPED,
    VALIDATION_REPORT,
)
from pipelines.config.params import flatten
from pipelines.runtime.run_record import RunRecord, clear_run_name, read_record, record_path
from pipelines.runtime.state import state_root
from pipelines.runtime.tables import read_table
from pipelines.tracking.client import (
    KEY_TAG,
    RUN_TAG,
    STAGE_TAG,
    STATE_TAG,
    client,
    create_child_run,
    find_run,
    get_or_create_parent_run,
    log_metrics,
    log_params,
    sanitize_name,
    translate_errors,
)
from pipelines.tracking.model_runs import publish_models
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
EVALUATED = ("metrics.json", "per_image.csv", "intervals.csv", "models.png", "report")
BASELINES = ("srcnn", "srresnet", "srgan", "sftnet", "sftgan", "contextual", "compare")
# what of each stage is worth looking at in the UI, by path below its folder
FILES = {
    "download": (MANIFEST, SKIPPED),
    "validate": (VALIDATION_REPORT, VALIDATION_REPORT.parent / "docs"),
    "pretrain": (ARTIFACTS / "pretrain" / "metrics.json", ARTIFACTS / "pretrain" / "curve.csv"),
    "finetune": (ARTIFACTS / "finetune" / "metrics.json", ARTIFACTS / "finetune" / "curve.csv"),
    "interpolate": (ALPHA_GRID, IMAGE_GRID, ALPHA_CHOICE, ARTIFACTS / "interpolate" / "images"),
    "evaluate": tuple(EVALUATION_METRICS.parent / name for name in EVALUATED),
    "register": (ARTIFACTS / "register" / "decision.json",),
    "compare": tuple(ARTIFACTS / "compare" / name for name in EVALUATED),
} | {
    stage: (ARTIFACTS / stage / "metrics.json", ARTIFACTS / stage / "curve.csv")
    for stage in BASELINES
    if stage != "compare"
}


def publish_stage(stage: str) -> bool:
    """Make a stage's MLflow run complete; say whether there was anything to do.

    Raises:
        OSError: if a file cannot be read, as where the stage's artifacts are not here.
        StoreDownError: if the store does not answer.
        StoreError: if it does not take them.
    """
    from mlflow.entities import Metric, RunTag  # noqa: PLC0415

    record = read_record(stage)
    if record is None:
        raise FileNotFoundError(f"no {record_path(stage)}; run `dvc repro` or `dvc pull`")
    key = file_sha256(record_path(stage))
    with translate_errors():
        if find_run({KEY_TAG: key, STAGE_TAG: stage, STATE_TAG: "complete"}) is not None:
            return False
        parent = get_or_create_parent_run(record.run)
        run_id = _run_of(record, key, parent)
        log_params(run_id, dict(flatten(record.params)))
        for table in (ARTIFACTS / stage / name for name in ("curve.csv", "usage.csv")):
            if table.is_file():
                MetricsUploader(run_id).upload(list(_rows(table)), ARTIFACTS / stage / "samples")
        for path in FILES.get(stage, ()):
            if path.is_dir():
                client().log_artifacts(run_id, str(path), path.name)
            else:
                client().log_artifact(run_id, str(path))
        match stage:
            case "interpolate":
                _publish_grid(run_id, record.ended)
            case "evaluate" | "compare":
                publish_models(ARTIFACTS / stage, record, parent, key, _tags(record))
            case "register":
                complete_parent_run(record.run)
            case _:
                pass
        log_metrics(run_id, [Metric("seconds", record.seconds, record.ended, 0)])
        client().set_terminated(run_id, "FINISHED")
        client().log_batch(run_id, tags=[*_tags(record), RunTag(KEY_TAG, key)])
    return True


def published_run_id(stage: str) -> str:
    """Id of the run that `publish` completed for a stage."""
    with translate_errors():
        key = file_sha256(record_path(stage))
        found = find_run({KEY_TAG: key, STAGE_TAG: stage, STATE_TAG: "complete"})
    if found is None:
        raise ValueError(f"{stage} is not in the store; run `esrgan publish`")
    return str(found.info.run_id)


def _run_of(record: RunRecord, key: str, parent: str) -> str:
    """The run that an attempt to publish left, or the open one of the stage, or a new one.

    An open run is the one that the stage reported to, or, where the stage never reached the
    store, one that an earlier attempt at it left.
    """
    own = {RUN_TAG: record.run, STAGE_TAG: record.stage}
    if left := find_run({**own, KEY_TAG: key, STATE_TAG: "publishing"}):
        return str(left.info.run_id)
    found = find_run({**own, STATE_TAG: "open"})
    if found and record.mlflow_run_id in (found.info.run_id, ""):
        return str(found.info.run_id)
    return create_child_run(parent, record.stage, {**own, KEY_TAG: key, STATE_TAG: "publishing"})


def _tags(record: RunRecord) -> "list[RunTag]":
    from mlflow.entities import RunTag  # noqa: PLC0415

    texts = {
        STATE_TAG: "complete",
        "git.commit": record.git_commit,
        "data.md5": record.data_md5,
        "params.sha256": record.params_sha256,
    } | ({"precision": record.precision} if record.precision else {})
    return [RunTag(name, text) for name, text in texts.items()]


def _rows(path: Path) -> Iterator[dict[str, float]]:
    """A CSV's lines as step and values; empty cells are left out."""
    for row in read_table(path).to_dict("records"):
        yield {str(name): float(value) for name, value in row.items() if pd.notna(value)}


def _publish_grid(run_id: str, time: int) -> None:
    """Metrics over alpha as a chart whose step is alpha in hundredths."""
    from mlflow.entities import Metric  # noqa: PLC0415

    grid = read_table(ALPHA_GRID)
    names = [name for name in grid.columns if name not in ("alpha", "set")]
    metrics = [
        Metric(
            f"{sanitize_name(str(row['set']))}/{name}",
            float(row[name]),
            time,
            round(100 * float(row["alpha"])),
        )
        for row in grid.to_dict("records")
        for name in names
    ]
    log_metrics(run_id, metrics)


def complete_parent_run(name: str) -> None:
    """The run of a whole pipeline run gets the final figures and the page, and ends.

    Args:
        name: of the pipeline run, which may have found all of it done by another one.
    """
    record = read_record("register")
    assert record
    key = file_sha256(record_path("register"))
    with translate_errors():
        if (found := find_run({RUN_TAG: name, STAGE_TAG: "pipeline", KEY_TAG: key})) is None:
            _fill_parent(record, key, parent := get_or_create_parent_run(name))
        else:
            parent = str(found.info.run_id)
        client().set_terminated(parent, "FINISHED")
    current = state_root() / "current_run"
    if current.exists() and current.read_text(encoding="utf-8") == record.run:
        clear_run_name()


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
    for path in FILES["evaluate"]:
        if path.is_dir():
            client().log_artifacts(parent, str(path), path.name)
        else:
            client().log_artifact(parent, str(path))
    client().set_tag(parent, "esrgan.made_by", record.run)
    client().log_batch(parent, tags=[*_tags(record), RunTag(KEY_TAG, key)])


def publish_all() -> list[str]:
    """Publish every stage whose artifacts are here; the names of those that needed it."""
    here = [stage for stage in (*STAGES, *BASELINES) if record_path(stage).is_file()]
    return [stage for stage in here if publish_stage(stage)]
