"""The address of the MLflow store; by default, a SQLite database under the state root."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from filelock import FileLock

from esrgan_core.files import atomic_path
from pipelines.runtime.state import state_root, state_root_path

EXPERIMENT = "esrgan"
DATABASE = "mlflow.db"
ARTIFACT_FOLDER = "mlartifacts"
"""Folder of the default store's files, next to its database."""
ADDRESS_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold absolute addresses of artifacts."""


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else a database under the state root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _default_uri()


def has_store() -> bool:
    """Whether the store exists; the default one is created when it is first used."""
    return tracking_uri() != _default_uri() or (state_root_path() / DATABASE).is_file()


def database_uri(path: Path) -> str:
    """The address of a SQLite database; `%` and `?` in its path are quoted."""
    return f"sqlite:///{quote(str(path))}"


def database_path(uri: str) -> Path | None:
    """The file of a SQLite database; None for other stores."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


def prepare_database() -> None:
    """Create the default database, or check the one of `MLFLOW_TRACKING_URI`."""
    from mlflow import MlflowClient  # noqa: PLC0415  slow to import

    if tracking_uri() == _default_uri():
        default = state_root() / DATABASE
        with FileLock(default.with_suffix(".lock")):
            if not default.exists():
                # atomically, since MLflow cannot use an incomplete one
                with atomic_path(default) as temporary:
                    MlflowClient(database_uri(temporary)).search_experiments()
            _update_addresses(default, state_root() / ARTIFACT_FOLDER)
    elif (path := database_path(tracking_uri())) and path.exists():
        # MLflow would retry for minutes on a file that is not a database
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT name FROM sqlite_master LIMIT 1")


def _default_uri() -> str:
    return database_uri(state_root_path() / DATABASE)


def _update_addresses(path: Path, folder: Path) -> None:
    """Update the absolute addresses of artifacts in a database whose state root was moved."""
    now = folder.as_uri()
    with closing(sqlite3.connect(path)) as database:
        row = database.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
        before = row[0] if row else now
        is_local = before.startswith("file:") and before.endswith(f"/{ARTIFACT_FOLDER}")
        if before == now or not is_local or not folder.is_dir():
            return
        with database:
            for table, column in ADDRESS_COLUMNS:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (now, len(before) + 1, len(before), before),
                )
    print(f"MLflow's store was moved: its addresses now begin with {now}", file=sys.stderr)


if __name__ == "__main__":
    print(tracking_uri())
