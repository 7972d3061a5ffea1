"""MLflow stores of tests: calls that fail, snapshots, and comparison."""

import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

from esrgan_core.files import file_sha256
from pipelines.tracking.client import MODEL_TAG, RUN_TAG, STAGE_TAG
from pipelines.tracking.database import ARTIFACT_FOLDER, DATABASE

When = Literal["before", "after"]
"""A call that does not reach the store, or whose response is lost."""
CALLS = re.compile("create|delete|download|finalize|get|list|log|search|set|update")
"""Prefixes of the methods that access the database or the files of a store."""
CHANGING = re.compile("time|last_update|input_uuid")
"""Columns that differ in every attempt."""
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class FailingCall:
    """Counts the calls to the real stores, and makes the n-th of them fail."""

    def __init__(self, number: int | None = None, when: When = "before") -> None:
        self.number, self.when = number, when
        self.calls: list[str] = []
        self.within = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Count the calls in the context."""
        with ExitStack() as patches:
            for kind in (Tracking, Registry, LocalArtifactRepository):
                for name in filter(CALLS.match, dir(kind)):
                    counted = self._counted(getattr(kind, name), f"{kind.__name__}.{name}")
                    patches.enter_context(patch.object(kind, name, counted))
            yield

    def _counted(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(method)
        def call(*given: Any, **named: Any) -> Any:
            if self.within:
                return method(*given, **named)  # a call of the store itself
            fails = len(self.calls) == self.number
            self.calls.append(name)
            if fails and self.when == "before":
                raise MlflowException("the call did not arrive", TEMPORARILY_UNAVAILABLE)
            self.within = True
            try:
                result = method(*given, **named)
            finally:
                self.within = False
            if fails:
                raise MlflowException("the response was lost", TEMPORARILY_UNAVAILABLE)
            return result

        return call


class StoreSnapshot:
    """A copy of the store in a state root, which can be restored."""

    def __init__(self, state: Path) -> None:
        self.state, self.kept = state, state / "kept"
        self.kept.mkdir()
        _copy(state / DATABASE, self.kept / DATABASE)
        (state / ARTIFACT_FOLDER).mkdir(exist_ok=True)
        shutil.copytree(state / ARTIFACT_FOLDER, self.kept / ARTIFACT_FOLDER)

    def restore(self) -> None:
        """Undo all changes since the copy."""
        _copy(self.kept / DATABASE, self.state / DATABASE)
        shutil.rmtree(self.state / ARTIFACT_FOLDER, ignore_errors=True)
        shutil.copytree(self.kept / ARTIFACT_FOLDER, self.state / ARTIFACT_FOLDER)


def _copy(source: Path, target: Path) -> None:
    """Copy the content of a database; MLflow's connections to the target stay open."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def content(state: Path) -> Counter[str]:
    """Every row and file of a store, without times and ids, which differ in every attempt."""
    with closing(sqlite3.connect(state / DATABASE)) as base:
        base.row_factory = _as_dict
        names = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {
            one["name"]: base.execute(f'SELECT * FROM "{one["name"]}"').fetchall() for one in names
        }
    place = state / ARTIFACT_FOLDER
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    descriptions = _ids(tables) | {
        # files that contain a time
        file_sha256(path): f"sha256 of {path.name}"
        for path in files
        if path.name in ("MLmodel", "checksums.json")
    }
    found = [
        f"{table}: { {key: value for key, value in row.items() if not CHANGING.search(key)} }"
        for table, rows in tables.items()
        for row in rows
    ]
    found += [f"{path.relative_to(place)}: {_text_of(path)}" for path in files]
    return Counter(_alike(text, descriptions) for text in found)


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {about[0]: value for about, value in zip(cursor.description, row, strict=True)}


def _ids(tables: Rows) -> dict[str, str]:
    """A description of the object of each id."""
    tags: dict[str, dict[str, str]] = {}
    for row in tables["tags"]:
        tags.setdefault(row["run_uuid"], {})[row["key"]] = row["value"]
    runs = {
        run: " ".join(own.get(key, "") for key in (RUN_TAG, STAGE_TAG, MODEL_TAG))
        for run, own in tags.items()
    }
    models = {
        row["model_id"]: f"{row['name']} of {runs.get(row['source_run_id'], '')}"
        for row in tables["logged_models"]
    }
    sets = {row["dataset_uuid"]: row["digest"] for row in tables["datasets"]}
    return runs | models | sets


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return file_sha256(path)


def _alike(text: str, descriptions: Mapping[str, str]) -> str:
    for id_, description in descriptions.items():
        text = text.replace(id_, description)
    text = re.sub(r"timestamp\+\d+\+[-0-9a-f]{36}", "timestamp", text)
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.+:\d]*", "time", text)
