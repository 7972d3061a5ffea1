"""MLflow stores of tests: cut at a call, emptied, and compared."""

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
"""A call that never arrives, or one whose answer is lost."""
CALLS = re.compile("create|delete|download|finalize|get|list|log|search|set|update")
"""How the methods of a store begin that reach its database or its files."""
OF_AN_ATTEMPT = re.compile("time|last_update|input_uuid")
"""Columns that no two attempts have alike."""
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class Fault:
    """Counts the calls to the real stores, and lets the n-th of them fail."""

    def __init__(self, number: int | None = None, when: When = "before") -> None:
        self.number, self.when = number, when
        self.calls: list[str] = []
        self.within = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Do so for whatever is published meanwhile."""
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
                return method(*given, **named)  # a store's own call of another method
            fails = len(self.calls) == self.number
            self.calls.append(name)
            if fails and self.when == "before":
                raise MlflowException("it never arrived", TEMPORARILY_UNAVAILABLE)
            self.within = True
            try:
                result = method(*given, **named)
            finally:
                self.within = False
            if fails:
                raise MlflowException("the answer was lost", TEMPORARILY_UNAVAILABLE)
            return result

        return call


class KeptStore:
    """A store as it is now, to begin from again and again.

    Args:
        state: the state root, where the database has been made.
    """

    def __init__(self, state: Path) -> None:
        self.state, self.kept = state, state / "kept"
        self.kept.mkdir()
        _copy(state / DATABASE, self.kept / DATABASE)
        (state / ARTIFACT_FOLDER).mkdir(exist_ok=True)
        shutil.copytree(state / ARTIFACT_FOLDER, self.kept / ARTIFACT_FOLDER)

    def restore(self) -> None:
        """Undo what came since."""
        _copy(self.kept / DATABASE, self.state / DATABASE)
        shutil.rmtree(self.state / ARTIFACT_FOLDER, ignore_errors=True)
        shutil.copytree(self.kept / ARTIFACT_FOLDER, self.state / ARTIFACT_FOLDER)


def _copy(source: Path, target: Path) -> None:
    """Copy what is in a database; MLflow's connections to the target stay."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def content(state: Path) -> Counter[str]:
    """Every row and file of a store, less times and ids, which each attempt has of its own."""
    with closing(sqlite3.connect(state / DATABASE)) as base:
        base.row_factory = _as_dict
        names = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {
            one["name"]: base.execute(f'SELECT * FROM "{one["name"]}"').fetchall() for one in names
        }
    place = state / ARTIFACT_FOLDER
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    words = _ids(tables) | {
        # these have a time within
        file_sha256(path): f"sha256 of {path.name}"
        for path in files
        if path.name in ("MLmodel", "checksums.json")
    }
    found = [
        f"{table}: { {key: value for key, value in row.items() if not OF_AN_ATTEMPT.search(key)} }"
        for table, rows in tables.items()
        for row in rows
    ]
    found += [f"{path.relative_to(place)}: {_text_of(path)}" for path in files]
    return Counter(_alike(text, words) for text in found)


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {about[0]: value for about, value in zip(cursor.description, row, strict=True)}


def _ids(tables: Rows) -> dict[str, str]:
    """What stands behind each id."""
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


def _alike(text: str, words: Mapping[str, str]) -> str:
    for id_, word in words.items():
        text = text.replace(id_, word)
    text = re.sub(r"timestamp\+\d+\+[-0-9a-f]{36}", "timestamp", text)
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.+:\d]*", "time", text)
