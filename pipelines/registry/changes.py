"""Changes of a model's aliases and history, which survive the end of the process that makes them.

A change is stored as pending before it is made. The next process that locks the registry completes
the changes of a process that was stopped.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock

from esrgan_core.strict_json import from_json
from pipelines.runtime.state import state_root
from pipelines.tracking import model_registry
from pipelines.tracking.database import tracking_uri
from pipelines.tracking.store_errors import StoreDownError

ROLLED_BACK = "rolled_back"
"""Time of the rollback, in changes and in lines of the history."""
Change = Mapping[str, Any]


@contextmanager
def registry_lock(model: str) -> Iterator[Mapping[str, Change]]:
    """Exclude other processes with this state root from changes of a model's aliases.

    Yields, by version, the changes of stopped processes, which are complete now.
    """
    store = hashlib.sha256(f"{tracking_uri()} {model}".encode()).hexdigest()[:16]
    path = state_root() / "locks" / f"registry-{store}.lock"
    path.parent.mkdir(exist_ok=True)
    with FileLock(path):
        completed = {}
        for version in model_registry.list_versions(model):
            if model_registry.PENDING in version.tags:
                completed[version.version] = from_json(version.tags[model_registry.PENDING])
                apply_change(version, completed[version.version])
        yield completed


def apply_change(version: model_registry.ModelVersion, change: Change) -> None:
    """Write the history and the alias of a pending change; safe to repeat."""
    lines = before = model_registry.read_history(version.model)
    if line := change.get("line"):
        promoted = {"version": version.version, **line}
        lines = lines if promoted in lines else [*lines, promoted]
    if undone := change.get("undone"):
        mark = {ROLLED_BACK: change[ROLLED_BACK]}
        lines = [mark | line if line["version"] == undone else line for line in lines]
    if lines != before:
        model_registry.write_history(version.model, lines)
    model_registry.set_alias(version.model, change["alias"], version.version)
    try:
        model_registry.clear_pending(version)
    except StoreDownError:
        # if only the answer was lost, the change is complete
        current = model_registry.get_version(version.model, version.version)
        if model_registry.PENDING in current.tags:
            raise


def promotion(reason: str, *, forced: bool) -> dict[str, Any]:
    """The change that makes a version champion."""
    return {"alias": "champion", "line": {"when": now(), "why": reason, "forced": forced}}


def now() -> str:
    """The time in UTC; two lines of a history differ in their milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
