"""The MLflow client and the calls that are shared by all modules."""

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from pipelines.config.errors import UserError
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root
from pipelines.tracking.database import ARTIFACT_FOLDER, EXPERIMENT, prepare_database, tracking_uri
from pipelines.tracking.store_errors import StoreError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

# tags by which runs are found
RUN_TAG, STAGE_TAG, MODEL_TAG, KEY_TAG = "esrgan.run", "dvc.stage", "esrgan.model", "esrgan.key"
STATE_TAG = "esrgan.state"
"""`open` while a stage reports to the run, `publishing`, or `complete`."""
MAX_METRICS, MAX_PARAMS, MAX_PARAM_LENGTH = 1000, 100, 6000
"""Limits of MLflow per call, and characters of a parameter."""
SETTINGS = {
    # MLflow's defaults need four minutes to give up on a server that is down
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}

_FIRST_USE = Lock()
"""Two threads that import MLflow at the same time would both fail."""


@lru_cache(maxsize=1)
def client() -> "MlflowClient":
    """A client of the store, which also becomes the default store of MLflow."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    with _FIRST_USE:
        import mlflow  # noqa: PLC0415  takes seconds to import

        prepare_database()
        mlflow.set_tracking_uri(tracking_uri())
        return mlflow.MlflowClient()


@lru_cache(maxsize=1)
def experiment_id() -> str:
    """The experiment of all runs, which is created if it does not exist.

    The artifacts of a database are stored at `MLFLOW_DEFAULT_ARTIFACT_ROOT`, as
    `s3://bucket/prefix`, else under the state root.
    """
    experiment = client().get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        if experiment.lifecycle_stage == "deleted":
            raise StoreError(
                f"MLflow at {redact(tracking_uri())}: the experiment {EXPERIMENT} was deleted; "
                f"{deleted_experiment_remedy(experiment.experiment_id)}"
            )
        return str(experiment.experiment_id)
    location = None
    if tracking_uri().startswith("sqlite:"):
        default = (state_root() / ARTIFACT_FOLDER).as_uri()
        location = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or default
    return str(client().create_experiment(EXPERIMENT, artifact_location=location))


def deleted_experiment_remedy(experiment: str) -> str:
    """The commands that restore or remove a deleted experiment."""
    uri = redact(tracking_uri())
    database = "DATABASE_OF_THE_SERVER" if uri.startswith("http") else uri
    return (
        f"with MLFLOW_TRACKING_URI={uri}, `mlflow experiments restore -x {experiment}` restores "
        f"it, `mlflow gc --experiment-ids {experiment} --backend-store-uri {database}` removes it "
        "and its runs permanently"
    )


def run_url(run_id: str) -> str:
    """The page of a run; for a database, on the server that `make ui` starts."""
    uri = tracking_uri()
    address = redact(uri) if uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{address.rstrip('/')}/#/experiments/{experiment_id()}/runs/{run_id}"


def sanitize_name(name: str) -> str:
    """Replace the characters that MLflow does not accept in a metric name.

    >>> sanitize_name("a<b>: ü")
    'a_b__ _'
    """
    return re.sub(r"[^A-Za-z0-9_\-. ]", "_", name)


def quote_value(value: str) -> str:
    """Quote a value for a filter of MLflow; a UserError if it contains both kinds of quotes."""
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise UserError(f"MLflow cannot search for {value!r}; use a name without quotes")
    return f"{mark}{value}{mark}"


def _tag_filter(tags: Mapping[str, str]) -> str:
    return " AND ".join(f"tags.`{key}` = {quote_value(value)}" for key, value in tags.items())


def find_run(tags: Mapping[str, str]) -> "Run | None":
    """The newest run that has all these tags."""
    runs = client().search_runs([experiment_id()], _tag_filter(tags), max_results=1)
    return runs[0] if runs else None


def running_run_ids(name: str) -> list[str]:
    """Ids of the runs of a pipeline run whose status is RUNNING."""
    wanted = f"{_tag_filter({RUN_TAG: name})} AND attributes.status = 'RUNNING'"
    return [str(run.info.run_id) for run in client().search_runs([experiment_id()], wanted)]


def get_or_create_run(name: str, tags: Mapping[str, str], parent: str = "") -> str:
    """Id of the newest run with these tags, or of a new one below `parent`."""
    run = find_run(tags)
    if run is None:
        tags = {"mlflow.parentRunId": parent, **tags} if parent else dict(tags)
        run = client().create_run(experiment_id(), run_name=name, tags=tags)
    return str(run.info.run_id)


def get_or_create_parent_run(name: str) -> str:
    """Id of the MLflow run that represents a whole pipeline run."""
    return get_or_create_run(name, {RUN_TAG: name, STAGE_TAG: "pipeline"})


def get_or_create_logged_model(
    name: str, run_id: str, tags: Mapping[str, str], model_type: str | None = None
) -> "LoggedModel":
    """The model of a run with this name and these tags."""
    own = f"source_run_id = {quote_value(run_id)} AND name = {quote_value(name)}"
    wanted = f"{own} AND {_tag_filter(tags)}"
    if found := client().search_logged_models([experiment_id()], wanted, max_results=1):
        return found[0]
    return client().create_logged_model(
        experiment_id(), name=name, source_run_id=run_id, tags=dict(tags), model_type=model_type
    )


def log_params(run_id: str, values: Mapping[str, Any]) -> None:
    """Log parameters as text, truncated to the length that MLflow accepts."""
    from mlflow.entities import Param  # noqa: PLC0415

    params = [Param(name, str(value)[:MAX_PARAM_LENGTH]) for name, value in values.items()]
    for start in range(0, len(params), MAX_PARAMS):
        client().log_batch(run_id, params=params[start : start + MAX_PARAMS])


def log_metrics(run_id: str, points: Iterable[tuple[Any, ...]]) -> None:
    """Log points: name, value, milliseconds since 1970, step, other arguments of MLflow's `Metric`.

    MLflow keeps one of those with equal name, value, step and time.
    """
    from mlflow.entities import Metric  # noqa: PLC0415

    metrics = [Metric(*point) for point in points]
    for start in range(0, len(metrics), MAX_METRICS):
        client().log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Set all tags of a run in one call."""
    from mlflow.entities import RunTag  # noqa: PLC0415

    client().log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
