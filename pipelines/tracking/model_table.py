"""The listing of `esrgan models`, cached as long as MLflow's database does not change.

MLflow takes seconds to import and to open a database. The cache has the state of the database's
files from before the query. A store that is not a local file is queried every time.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.runtime.state import state_root
from pipelines.tracking.database import database_path, has_store, tracking_uri
from pipelines.tracking.model_files import read_evidence
from pipelines.tracking.model_registry import ModelVersion, get_aliases, list_versions, read_history

MIN_AGE = 2.0
"""Seconds after which another change of a file gets another time."""
SUFFIXES = ("", "-wal", "-journal")
"""Of the files of an SQLite database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedVersion:
    """A version of the registered model and its evidence."""

    version: ModelVersion
    alpha: float | None
    """None if the version has no evidence."""
    results: Mapping[str, Mapping[str, float]]
    """Metrics of the interpolated network by test set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """All versions of one registered model, and their history."""

    versions: list[ListedVersion]
    aliases: Mapping[str, str]
    """Version by alias."""
    history: list[dict[str, Any]]


def list_model(model: str) -> Listing:
    """The versions of a registered model, the oldest first."""
    if not has_store():
        return Listing(versions=[], aliases={}, history=[])
    path, state = state_root() / "registry.json", _database_state()
    key = {"model": model, "uri": tracking_uri(), "state": state}
    if state:
        # there may be none, or one of another version of this program
        with suppress(OSError, ValueError, KeyError):
            cached = from_json(path.read_text(encoding="utf-8"))
            content = cached.pop("listing")
            if cached == key:
                return TypeAdapter(Listing).validate_python(content)
    listing = Listing(
        versions=list(map(_with_evidence, list_versions(model))),
        aliases=get_aliases(model),
        history=read_history(model),
    )
    if state and time.time() - max(row[0] for row in state) / 1e9 > MIN_AGE:
        content = TypeAdapter(Listing).dump_python(listing, mode="json")
        write_text(path, to_json(key | {"listing": content}))
    return listing


def _with_evidence(version: ModelVersion) -> ListedVersion:
    evidence = read_evidence(version) or {"alpha": None, "results": {"interpolated": {}}}
    results = evidence["results"]["interpolated"]
    return ListedVersion(version=version, alpha=evidence["alpha"], results=results)


def _database_state() -> list[list[int]]:
    """Time, size and inode of each existing file of the database; empty for other stores."""
    path, state = database_path(tracking_uri()), []
    for suffix in SUFFIXES if path else ():
        with suppress(OSError):
            stat = Path(f"{path}{suffix}").stat()
            state.append([stat.st_mtime_ns, stat.st_size, stat.st_ino])
    return state
