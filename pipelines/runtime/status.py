"""The status of a stage, written to a file that the process which started the stage reads."""

import dataclasses
import os
from pathlib import Path

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json

STATUS = "ESRGAN_STATUS"
"""Environment variable with the path of the status file; without it, no status is written."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The current work of a stage, its progress, and the error that ended it."""

    what: str = ""
    completed: int = 0
    total: int = 0
    """0 if unknown."""
    seconds_left: float = 0.0
    note: str = ""
    problem: str = ""
    transient: bool = False
    """Whether another attempt may succeed."""


def write_status(status: Status) -> None:
    """Write the file that `ESRGAN_STATUS` names, if it is set."""
    if path := os.environ.get(STATUS):
        write_text(Path(path), to_json(dataclasses.asdict(status)))


def read_status(path: Path) -> Status | None:
    """Read a status file; None if a stage has not written one.

    A run may be of another commit: unknown keys are ignored, missing ones get defaults.
    """
    try:
        content = from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    known = {field.name for field in dataclasses.fields(Status)}
    return Status(**{name: value for name, value in content.items() if name in known})
