"""What a stage is at, told in a file to whoever started it; and which errors may pass."""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json

STATUS = "ESRGAN_STATUS"
"""Environment variable with the path of the file; nothing is written without it."""


class TransientError:
    """Mixed into errors that another try may not meet: a host or a store that did not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What is being done, how far it is, and in the end what went wrong."""

    what: str = ""
    completed: int = 0
    total: int = 0
    """0 if it cannot be told."""
    seconds_left: float = 0.0
    """Seconds."""
    note: str = ""
    problem: str = ""
    transient: bool = False
    """Whether the problem may be gone at another try."""
    time: float = field(default_factory=time.time)
    """Seconds since 1970."""


def write_status(status: Status) -> None:
    """Write the file that `ESRGAN_STATUS` names, if it names one."""
    if path := os.environ.get(STATUS):
        write_text(Path(path), to_json(asdict(status)))


def read_status(path: Path) -> Status | None:
    """What a stage has told; None if nothing yet."""
    try:
        return Status(**from_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def is_transient(error: BaseException) -> bool:
    """Whether another try may not meet this error, or what it came from."""
    kinds = (TransientError, ConnectionError, TimeoutError)
    return any(isinstance(one, kinds) for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
