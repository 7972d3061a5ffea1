"""The MLflow store and the few calls that everything here is made of."""

import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from filelock import FileLock

from esrgan_core.files import atomic_path
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root, state_root_path
from pipelines.tracking.errors import StoreDownError, StoreError
from pipelines.tracking.store_errors import is_down, is_of_store, remedy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

EXPERIMENT = "esrgan"
# tags by which runs are found again
RUN_TAG, STAGE_TAG, MODEL_TAG, KEY_TAG = "esrgan.run", "dvc.stage", "esrgan.model", "esrgan.key"
STATE_TAG = "esrgan.state"
"""Tag of a run: `open` while a stage reports to it, `publishing`, `complete`."""
PARENT = "mlflow.parentRunId"
MOST_METRICS, MOST_PARAMS, LONGEST_PARAM = 1000, 100, 6000
"""That MLflow takes at once, and in characters."""
DATABASE = "mlflow.db"
ARTIFACT_FOLDER = "mlartifacts"
"""Where the default store keeps files, beside its database."""
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold absolute addresses of artifacts."""


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else a database under the state root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_uri()


def has_store() -> bool:
    """Whether there is a store to look into; the default one is made when it is first used."""
    return tracking_uri() != _own_uri() or (state_root_path() / DATABASE).is_file()


def run_url(run_id: str) -> str:
    """Where the UI shows a run; that of `make ui`, where the store is a database."""
    uri = tracking_uri()
    address = redact(uri) if uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{address.rstrip('/')}/#/experiments/{experiment_id()}/runs/{run_id}"


def sanitize_name(name: str) -> str:
    """A name of a image or a set as MLflow takes it in a key.

    >>> sanitize_name("a<b>: ü")
    'a_b__ _'
    """
    return re.sub(r"[^A-Za-z0-9_\-. ]", "_", name)


@lru_cache(maxsize=1)
def client() -> "MlflowClient":
    """A client of the store, also made MLflow's own default for its fluent calls."""
    # a dead server must cost seconds, not the four minutes of MLflow's own defaults
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    # bars for files of this machine's own disk and tables being made are noise in a stage's log
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow  # noqa: PLC0415  takes seconds to import

    if tracking_uri() == _own_uri():
        _make_database()
        _follow_a_move()
    elif path := database_path(tracking_uri()):
        _look_into(path)
    mlflow.set_tracking_uri(tracking_uri())
    return mlflow.MlflowClient()


def _own_uri() -> str:
    return database_uri(state_root_path() / DATABASE)


def database_uri(path: Path) -> str:
    """A path's address, in which `%` and `?` would mean something else."""
    return f"sqlite:///{quote(str(path))}"


def database_path(uri: str) -> Path | None:
    """The file of a store that is one; None for a store of another kind."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


def _look_into(path: Path) -> None:
    """Fail at once on a file that is no database: MLflow would try for minutes."""
    if path.exists():
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT name FROM sqlite_master LIMIT 1")


def _make_database() -> None:
    """Make the default database, whole or not at all: a kill in the midst would spoil it."""
    from mlflow import MlflowClient  # noqa: PLC0415

    path = state_root() / DATABASE
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            with atomic_path(path) as temporary:
                MlflowClient(database_uri(temporary)).search_experiments()


def _follow_a_move() -> None:
    """Give the default database the place of its artifacts, if both were moved or copied.

    MLflow keeps absolute addresses, by which no registered model would be found any more.
    """
    path, place = state_root() / DATABASE, state_root() / ARTIFACT_FOLDER
    now = place.as_uri()
    with FileLock(path.with_suffix(".lock")), closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
        before = found[0] if found else now
        moved = before.startswith("file:") and before.endswith(f"/{ARTIFACT_FOLDER}")
        if before == now or not moved or not place.is_dir():
            return
        with database:
            for table, column in ADDRESSES:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (now, len(before) + 1, len(before), before),
                )
    print(f"MLflow's store was moved here: its addresses now begin with {now}", file=sys.stderr)


def deleted_experiment_remedy(number: str) -> str:
    """What to do about a store whose experiment was deleted."""
    uri = redact(tracking_uri())
    database = "DATABASE_OF_THE_SERVER" if uri.startswith("http") else uri
    return (
        f"with MLFLOW_TRACKING_URI={uri}, `mlflow experiments restore -x {number}` brings it back, "
        f"`mlflow gc --experiment-ids {number} --backend-store-uri {database}` removes it for good "
        "with its runs"
    )


@lru_cache(maxsize=1)
def experiment_id() -> str:
    """The experiment that all runs are in; made if it is not there.

    With a database of our own, artifacts lie where `MLFLOW_DEFAULT_ARTIFACT_ROOT` says, as
    `s3://bucket/prefix`, else under the state root.
    """
    found = client().get_experiment_by_name(EXPERIMENT)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise StoreError(
                f"MLflow at {redact(tracking_uri())}: the experiment {EXPERIMENT} was deleted; "
                f"{deleted_experiment_remedy(found.experiment_id)}"
            )
        return str(found.experiment_id)
    local = tracking_uri().startswith("sqlite:")
    own = (state_root() / ARTIFACT_FOLDER).as_uri()
    location = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT", "") or own if local else None
    return str(client().create_experiment(EXPERIMENT, artifact_location=location))


def quote_value(value: str) -> str:
    """A value as MLflow's filters take it.

    Raises:
        ValueError: if it cannot be written there.
    """
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ValueError(f"{value!r} cannot be looked for in MLflow; take a name without quotes")
    return f"{mark}{value}{mark}"


def find_run(tags: Mapping[str, str]) -> "Run | None":
    """The newest run that has all these tags."""
    clauses = [f"tags.`{key}` = {quote_value(value)}" for key, value in tags.items()]
    found = client().search_runs([experiment_id()], " and ".join(clauses), max_results=1)
    return found[0] if found else None


def running_run_ids(name: str) -> list[str]:
    """Ids of the runs of a pipeline run that say RUNNING."""
    wanted = f"tags.`{RUN_TAG}` = {quote_value(name)} and attributes.status = 'RUNNING'"
    return [str(run.info.run_id) for run in client().search_runs([experiment_id()], wanted)]


def get_or_create_parent_run(name: str) -> str:
    """Id of the run that stands for a whole pipeline run of that name; made if missing."""
    tags = {RUN_TAG: name, STAGE_TAG: "pipeline"}
    if (found := find_run(tags)) is not None:
        return str(found.info.run_id)
    return str(client().create_run(experiment_id(), run_name=name, tags=tags).info.run_id)


def create_child_run(parent: str, name: str, tags: Mapping[str, str]) -> str:
    """Id of a new run below `parent`."""
    everything = {PARENT: parent, **tags}
    run = client().create_run(experiment_id(), run_name=name, tags=everything)
    return str(run.info.run_id)


def get_or_create_logged_model(
    name: str, run_id: str, tags: Mapping[str, str], model_type: str | None = None
) -> "LoggedModel":
    """The model with that name and tags that a run has logged or begins to; made if missing."""
    clauses = [f"source_run_id = {quote_value(run_id)}", f"name = {quote_value(name)}"]
    clauses += [f"tags.`{key}` = {quote_value(value)}" for key, value in tags.items()]
    wanted = " AND ".join(clauses)
    if found := client().search_logged_models([experiment_id()], wanted, max_results=1):
        return found[0]
    return client().create_logged_model(
        experiment_id(), name=name, source_run_id=run_id, tags=dict(tags), model_type=model_type
    )


def log_params(run_id: str, values: Mapping[str, Any]) -> None:
    """Add parameters to a run as text, truncated to the length that MLflow accepts."""
    from mlflow.entities import Param  # noqa: PLC0415

    params = [Param(name, str(value)[:LONGEST_PARAM]) for name, value in values.items()]
    for start in range(0, len(params), MOST_PARAMS):
        client().log_batch(run_id, params=params[start : start + MOST_PARAMS])


def log_metrics(run_id: str, metrics: "Sequence[Metric]") -> None:
    """Add figures to a run. One that it has with the same value, step and time stays one."""
    for start in range(0, len(metrics), MOST_METRICS):
        client().log_batch(run_id, metrics=metrics[start : start + MOST_METRICS])


@contextmanager
def translate_errors() -> Iterator[None]:
    """Say of each trouble with MLflow what it is, without what the address has of secrets.

    Raises:
        StoreDownError: if the store does not answer, or is busy.
        StoreError: if it answers and cannot do what it was asked.
        OSError: if a file of this machine is the trouble; names it.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or is_of_store(error):
            raise _told(error) from error
        raise


def _told(error: Exception) -> Exception:
    """The same trouble in words for whoever has to mend it."""
    shown = redact(tracking_uri())
    if is_down(error):
        return StoreDownError(f"MLflow at {shown} is down: {_words(error)}")
    what = remedy(error, shown)
    then = f"; {what}" if what else ""
    if isinstance(error, OSError) and error.errno and not is_of_store(error):
        file = f"{error.filename}: " if error.filename else ""
        return OSError(error.errno, f"{file}{error.strerror}{then}")
    return StoreError(f"MLflow at {shown}: {_words(error)}{then}")


def _words(error: Exception) -> str:
    """What an error says, less secrets and the statement of a database."""
    return redact(str(error).partition("\n[SQL")[0])


if __name__ == "__main__":
    print(tracking_uri())
