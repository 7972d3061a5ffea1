"""DVC's artifacts into MLflow: everything there can be rebuilt from here, and nothing twice.

A stage's record differs for every execution and is one of its outputs, so its hash is the
key: a run that carries it is complete and is left alone.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from esrgan_core.files import sha256_of
from esrgan_core.strict_json import from_json
from pipelines.paths import (
    ARTIFACTS,
    CHOICE,
    GRID,
    IMAGE_GRID,
    MANIFEST,
    METRICS,
    SKIPPED,
    VALIDATION_REPORT,
    state_root,
)
from pipelines.tracking.evaluated import publish_models
from pipelines.tracking.live import Cargo
from pipelines.tracking.record import Record, end_run_name, flat, read_record, record_path
from pipelines.tracking.store import (
    KEY,
    NAME,
    STAGE,
    child_run,
    client,
    find_run,
    parent_run,
    reaching_store,
    usable,
)

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
    "interpolate": (GRID, IMAGE_GRID, CHOICE, ARTIFACTS / "interpolate" / "pictures"),
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
        FileNotFoundError: if the stage's artifacts are not here.
        StoreDownError: if the store does not answer.
    """
    from mlflow.entities import Param  # noqa: PLC0415

    record = read_record(stage)
    if record is None:
        raise FileNotFoundError(f"no {record_path(stage)}; run `dvc repro` or `dvc pull`")
    key = sha256_of(record_path(stage))
    with reaching_store():
        if find_run({KEY: key, STAGE: stage}) is not None:
            return False
        parent = parent_run(record.run)
        run_id = _run_of(record, parent)
        parameters = [Param(name, text[:6000]) for name, text in flat(record.params).items()]
        client().log_batch(run_id, params=parameters)
        for table in (ARTIFACTS / stage / name for name in ("curve.csv", "usage.csv")):
            if table.is_file():
                Cargo(run_id).ship(list(_rows(table)), ARTIFACTS / stage / "samples")
        for path in FILES.get(stage, ()):
            if path.is_dir():
                client().log_artifacts(run_id, str(path), path.name)
            else:
                client().log_artifact(run_id, str(path))
        match stage:
            case "interpolate":
                _publish_grid(run_id)
            case "evaluate" | "compare":
                publish_models(ARTIFACTS / stage, record, parent, key, _tags(record))
            case "register":
                complete_parent(record.run)
            case _:
                pass
        client().log_metric(run_id, "seconds", record.seconds)
        client().log_batch(run_id, tags=_tags(record))
        client().set_tag(run_id, KEY, key)
        client().set_terminated(run_id, "FINISHED")
    return True


def published_run(stage: str) -> str:
    """Id of the run that `publish` completed for a stage."""
    with reaching_store():
        found = find_run({KEY: sha256_of(record_path(stage)), STAGE: stage})
    if found is None:
        raise ValueError(f"{stage} is not in the store; run `esrgan publish`")
    return str(found.info.run_id)


def _run_of(record: Record, parent: str) -> str:
    """The open run of the stage, or a new one where there is none.

    An open run is the one that the stage reported to, or, where the stage never reached the
    store, one that an earlier attempt at it left.
    """
    found = find_run({NAME: record.run, STAGE: record.stage, "esrgan.state": "open"})
    if found and record.mlflow_run_id in (found.info.run_id, ""):
        return str(found.info.run_id)
    return child_run(parent, record.stage, {NAME: record.run, STAGE: record.stage})


def _tags(record: Record) -> "list[RunTag]":
    from mlflow.entities import RunTag  # noqa: PLC0415

    texts = {
        "esrgan.state": "complete",
        "git.commit": record.git_commit,
        "data.md5": record.data_md5,
        "params.sha256": record.params_sha256,
    } | ({"precision": record.precision} if record.precision else {})
    return [RunTag(name, text) for name, text in texts.items()]


def _rows(path: Path) -> Iterator[dict[str, float]]:
    """A CSV's lines as step and values; empty cells are left out."""
    for row in pd.read_csv(path).to_dict("records"):
        yield {str(name): float(value) for name, value in row.items() if pd.notna(value)}


def _publish_grid(run_id: str) -> None:
    """Metrics over alpha as a chart whose step is alpha in hundredths."""
    grid = pd.read_csv(GRID)
    metrics = [name for name in grid.columns if name not in ("alpha", "set")]
    for row in grid.to_dict("records"):
        for metric in metrics:
            step = round(100 * float(row["alpha"]))
            client().log_metric(
                run_id, f"{usable(str(row['set']))}/{metric}", float(row[metric]), step=step
            )


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
            _fill_parent(record, parent := parent_run(name))
            client().set_tag(parent, KEY, key)
        else:
            parent = str(found.info.run_id)
        client().set_terminated(parent, "FINISHED")


def _fill_parent(record: Record, parent: str) -> None:
    results = from_json(METRICS.read_text(encoding="utf-8"))
    for model, sets in results.items():
        for set_name, values in sets.items():
            for metric, value in values.items():
                client().log_metric(parent, f"{model}/{usable(set_name)}/{metric}", value)
    for path in FILES["evaluate"]:
        if path.is_dir():
            client().log_artifacts(parent, str(path), path.name)
        else:
            client().log_artifact(parent, str(path))
    client().log_batch(parent, tags=_tags(record))
    client().set_tag(parent, "esrgan.made_by", record.run)
    current = state_root() / "current_run"
    if current.exists() and current.read_text(encoding="utf-8") == record.run:
        end_run_name()


def publish_all() -> list[str]:
    """Publish every stage whose artifacts are here; the names of those that needed it."""
    here = [stage for stage in (*STAGES, *BASELINES) if record_path(stage).is_file()]
    return [stage for stage in here if publish(stage)]
