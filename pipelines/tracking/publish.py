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

from esrgan_core.files import sha256_of
from esrgan_core.strict_json import from_json
from pipelines.config.artifacts import (
    ARTIFACTS,
    CHOICE,
    GRID,
    IMAGE_GRID,
    MANIFEST,
    METRICS,
    SKIPPED,
    VALIDATION_REPORT,
)
from pipelines.config.params import flatten
from pipelines.runtime.run_record import Record, end_run_name, read_record, record_path
from pipelines.runtime.state import state_root
from pipelines.runtime.tables import read_table
from pipelines.tracking.client import (
    KEY,
    NAME,
    STAGE,
    STATE,
    child_run,
    client,
    find_run,
    log_metrics,
    log_params,
    parent_run,
    reaching_store,
    usable,
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
    "interpolate": (GRID, IMAGE_GRID, CHOICE, ARTIFACTS / "interpolate" / "images"),
    "evaluate": tuple(METRICS.parent / name for name in EVALUATED),
    "register": (ARTIFACTS / "register" / "decision.json",),
    "compare": tuple(ARTIFACTS / "compare" / name for name in EVALUATED),
} | {
    stage: (ARTIFACTS / stage / "metrics.json", ARTIFACTS / stage / "curve.csv")
    for stage in BASELINES
    if stage != "compare"
}


def publish(stage: str) -> bool:
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
    key = sha256_of(record_path(stage))
    with reaching_store():
        if find_run({KEY: key, STAGE: stage, STATE: "complete"}) is not None:
            return False
        parent = parent_run(record.run)
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
                complete_parent(record.run)
            case _:
                pass
        log_metrics(run_id, [Metric("seconds", record.seconds, record.ended, 0)])
        client().set_terminated(run_id, "FINISHED")
        client().log_batch(run_id, tags=[*_tags(record), RunTag(KEY, key)])
    return True


def published_run(stage: str) -> str:
    """Id of the run that `publish` completed for a stage."""
    with reaching_store():
        key = sha256_of(record_path(stage))
        found = find_run({KEY: key, STAGE: stage, STATE: "complete"})
    if found is None:
        raise ValueError(f"{stage} is not in the store; run `esrgan publish`")
    return str(found.info.run_id)


def _run_of(record: Record, key: str, parent: str) -> str:
    """The run that an attempt to publish left, or the open one of the stage, or a new one.

    An open run is the one that the stage reported to, or, where the stage never reached the
    store, one that an earlier attempt at it left.
    """
    own = {NAME: record.run, STAGE: record.stage}
    if left := find_run({**own, KEY: key, STATE: "publishing"}):
        return str(left.info.run_id)
    found = find_run({**own, STATE: "open"})
    if found and record.mlflow_run_id in (found.info.run_id, ""):
        return str(found.info.run_id)
    return child_run(parent, record.stage, {**own, KEY: key, STATE: "publishing"})


def _tags(record: Record) -> "list[RunTag]":
    from mlflow.entities import RunTag  # noqa: PLC0415

    texts = {
        STATE: "complete",
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

    grid = read_table(GRID)
    names = [name for name in grid.columns if name not in ("alpha", "set")]
    metrics = [
        Metric(
            f"{usable(str(row['set']))}/{name}",
            float(row[name]),
            time,
            round(100 * float(row["alpha"])),
        )
        for row in grid.to_dict("records")
        for name in names
    ]
    log_metrics(run_id, metrics)


def complete_parent(name: str) -> None:
    """The run of a whole pipeline run gets the final figures and the page, and ends.

    Args:
        name: of the pipeline run, which may have found all of it done by another one.
    """
    record = read_record("register")
    assert record
    key = sha256_of(record_path("register"))
    with reaching_store():
        if (found := find_run({NAME: name, STAGE: "pipeline", KEY: key})) is None:
            _fill_parent(record, key, parent := parent_run(name))
        else:
            parent = str(found.info.run_id)
        client().set_terminated(parent, "FINISHED")
    current = state_root() / "current_run"
    if current.exists() and current.read_text(encoding="utf-8") == record.run:
        end_run_name()


def _fill_parent(record: Record, key: str, parent: str) -> None:
    from mlflow.entities import Metric, RunTag  # noqa: PLC0415

    results = from_json(METRICS.read_text(encoding="utf-8"))
    metrics = [
        Metric(f"{model}/{usable(set_name)}/{name}", value, record.ended, 0)
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
    client().log_batch(parent, tags=[*_tags(record), RunTag(KEY, key)])


def publish_all() -> list[str]:
    """Publish every stage whose artifacts are here; the names of those that needed it."""
    here = [stage for stage in (*STAGES, *BASELINES) if record_path(stage).is_file()]
    return [stage for stage in here if publish(stage)]
