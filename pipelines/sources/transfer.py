"""Resumable transfer of one file: several attempts fill a partial file until it is complete."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from urllib3.exceptions import MaxRetryError
from urllib3.util.retry import Retry

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import (
    BusyError,
    BusyHostError,
    ChangedError,
    CutError,
    HostError,
    SlowError,
    StoppedError,
)

CHUNK = 256 * 1024
"""Bytes that a cut connection can lose at most."""
RETRY = Retry(
    total=4,
    backoff_factor=1,
    backoff_jitter=1,
    backoff_max=60,
    retry_after_max=60,
    status_forcelist={408, 425, 429, 500, 502, 503, 504},
    raise_on_status=False,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferOptions:
    """Options of a transfer."""

    retry: Retry = RETRY
    """Applies to attempts that bring no new bytes."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Stops the transfer when another thread sets it."""
    on_bytes: Callable[[int], None] = lambda count: None
    """Called with the size of each chunk; a negative size has to be fetched again."""
    unreachable_hosts: set[str] = field(default_factory=set)
    """Hosts that did not answer; they get a single attempt for each following file."""


def transfer(
    attempt: Callable[[], None], part: Path, expected: ExpectedFile, options: TransferOptions
) -> None:
    """Call `attempt`, which appends to the file at `part`, until that file is as expected.

    Raises:
        HostError: if the attempts bring no new bytes, or another content than expected.
        StoppedError: if `options.stop` is set; the partial file stays.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    retry, largest = options.retry, partial_size(part)
    problem: Exception
    while not options.stop.is_set():
        is_resumed = partial_size(part) > 0
        try:
            attempt()
            if not (mismatch := expected.mismatch(part)):
                _note_path(part).unlink(missing_ok=True)
                return
            discard(part, options)
            if not is_resumed:
                raise HostError(mismatch)
            # the earlier part may be the wrong one
            problem = ChangedError(mismatch)
        except ChangedError as error:
            discard(part, options)
            problem = error
        except CutError as error:
            problem = error
        if partial_size(part) > largest and not isinstance(problem, SlowError):
            retry, largest = options.retry, partial_size(part)
            continue
        try:
            retry = retry.increment("GET", error=problem)
        except MaxRetryError:
            attempts = int(options.retry.total or 0) + 1
            raise BusyHostError(f"{problem}, {attempts} times") from problem
        wanted = problem.seconds if isinstance(problem, BusyError) else None
        options.stop.wait(wanted or retry.get_backoff_time())
    raise StoppedError


def partial_size(part: Path) -> int:
    """Bytes of a partial file."""
    return part.stat().st_size if part.exists() else 0


def read_note(part: Path) -> Any:
    """Read the note on which content a partial file belongs to; {} if there is none."""
    try:
        return from_json(_note_path(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_note(part: Path, note: dict[str, str | int]) -> None:
    """Write the note next to a partial file."""
    write_text(_note_path(part), to_json(note))


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def discard(part: Path, options: TransferOptions) -> None:
    """Remove a partial file and its note."""
    if size := partial_size(part):
        options.on_bytes(-size)
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)
