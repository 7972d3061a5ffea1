"""The registry as `esrgan models` lists it, remembered while its database stays as it is.

MLflow needs seconds to be imported and to open a database. What it said is kept with the state of
the database's files before it was asked, and holds as long as they are in that state; a store that
is not a file of this machine is asked each time.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.runtime.state import state_root
from pipelines.tracking.client import database_path, has_store, tracking_uri
from pipelines.tracking.model_registry import (
    ModelVersion,
    get_aliases,
    list_versions,
    read_evidence,
    read_history,
)

SECONDS_TO_SETTLE = 2.0
"""Age from which a file's time tells a later change of it from this one."""
FILES = ("", "-wal", "-journal")
"""Suffixes of the files that SQLite keeps a database in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedVersion:
    """A version of the registered model and what it was registered with."""

    version: ModelVersion
    alpha: float | None
    """None where the version carries no evidence that can be read."""
    results: Mapping[str, Mapping[str, float]]
    """Figures of the interpolated network by set and metric."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """All versions of one registered model, and what became of them."""

    versions: list[ListedVersion]
    aliases: Mapping[str, str]
    """Version by alias."""
    history: list[dict[str, Any]]
    """The champions that there have been."""


def list_model(model: str) -> Listing:
    """The versions of a registered model, the oldest first.

    Raises:
        StoreDownError: if MLflow does not answer.
    """
    if not has_store():
        return Listing(versions=[], aliases={}, history=[])
    path, state = state_root() / "registry.json", _database_state()
    wanted = {"model": model, "uri": tracking_uri(), "state": state}
    if state is not None and (found := _remembered(path, wanted)) is not None:
        return found
    listing = Listing(
        versions=[_with_evidence(version) for version in list_versions(model)],
        aliases=get_aliases(model),
        history=read_history(model),
    )
    if state is not None and _is_settled(state):
        content = to_json(wanted | {"listing": asdict(listing)}, default=datetime.isoformat)
        write_text(path, content)
    return listing


def _with_evidence(version: ModelVersion) -> ListedVersion:
    evidence = read_evidence(version)
    if evidence is None:
        return ListedVersion(version=version, alpha=None, results={})
    return ListedVersion(
        version=version, alpha=evidence["alpha"], results=evidence["results"]["interpolated"]
    )


def _database_state() -> list[list[int]] | None:
    """Time, size and number of each file of the database; None for a store of another kind."""
    path = database_path(tracking_uri())
    if path is None:
        return None
    found = []
    for suffix in FILES:
        try:
            file = path.with_name(path.name + suffix).stat()
        except OSError:
            found.append([0, 0, 0])
        else:
            found.append([file.st_mtime_ns, file.st_size, file.st_ino])
    return found


def _is_settled(state: list[list[int]]) -> bool:
    """Whether a further change would have another time: clocks of file systems are coarse."""
    return time.time() - max(row[0] for row in state) / 1e9 > SECONDS_TO_SETTLE


def _remembered(path: Path, wanted: Mapping[str, Any]) -> Listing | None:
    try:
        content = from_json(path.read_text(encoding="utf-8"))
        listing = content.pop("listing")
        if content != wanted:
            return None
        return Listing(
            versions=[
                ListedVersion(**row | {"version": _version(row["version"])})
                for row in listing.pop("versions")
            ],
            **listing,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # of an earlier program, or not there


def _version(row: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(**{**row, "created": datetime.fromisoformat(row["created"])})
