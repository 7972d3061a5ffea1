"""Progress of long work: a bar on a terminal, lines elsewhere, and the status file."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TypeVar

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_STATUS = 1.0
SECONDS_OF_RATES = 600.0
"""Period of the step rates used for the ETA."""
STATUS = "ESRGAN_STATUS"
"""Environment variable with the path of the status file; without it, no status is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
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
        write_text(Path(path), to_json(asdict(status)))


def read_status(path: Path) -> Status | None:
    """Read a status file, whose keys may be those of another commit; None if there is none."""
    try:
        content = from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    known = {field.name for field in fields(Status)}
    return Status(**{name: value for name, value in content.items() if name in known})


@contextmanager
def progress(
    what: str, total: int, done: int = 0, *, shown: bool = True, bytes_: bool = False
) -> Iterator[Callable[[int, str], None]]:
    """Yield a function that shows the number of completed units and a note.

    `total` is 0 if it is unknown. Units that were `done` before do not count for the ETA.
    """
    if not shown:
        yield lambda completed, note: None
        return
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if bytes_ else MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=SECONDS_OF_RATES,
        get_time=lambda: time.monotonic(),
    )
    as_text = decimal if bytes_ else str
    bar.add_task(what, total=total or None, completed=done, note="")
    (task,) = bar.tasks
    line_time, status_time = time.monotonic(), 0.0
    write_status(Status(what=what, completed=done, total=total))

    def advance(completed: int, note: str) -> None:
        nonlocal line_time, status_time
        bar.update(task.id, completed=completed, note=note)
        now, ended = time.monotonic(), 0 < total <= completed
        if ended or now - status_time > SECONDS_BETWEEN_STATUS:
            status_time, seconds = now, task.time_remaining or 0.0
            write_status(
                Status(what=what, completed=completed, total=total, seconds_left=seconds, note=note)
            )
        if bar.disable and (ended or now - line_time >= SECONDS_BETWEEN_LINES):
            line_time, left = now, task.time_remaining
            eta = "?" if left is None else timedelta(seconds=left)
            of_total = as_text(total) if total else "?"
            line = f"{what} {as_text(completed)}/{of_total}, {eta} left  {note}".rstrip()
            print(line, file=sys.stderr, flush=True)

    with bar:
        yield advance


def track(what: str, items: Iterable[Item], names: Sequence[str]) -> Iterator[Item]:
    """Yield items and show the progress; `names` are the notes."""
    with progress(what, len(names)) as advance:
        for number, (item, name) in enumerate(zip(items, names, strict=True), start=1):
            yield item
            advance(number, name)


@contextmanager
def byte_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the bytes of each chunk, from any thread."""
    lock, done = Lock(), 0
    with progress(what, total, bytes_=True) as advance:

        def on_bytes(count: int) -> None:
            nonlocal done
            with lock:
                done += count
                advance(done, "")

        yield on_bytes


def format_terms(terms: Mapping[str, float]) -> str:
    """Loss terms and metrics as a note.

    >>> format_terms({"g/pixel": 0.05, "val/psnr_y": 28.12345})
    'g/pixel 0.05  val/psnr_y 28.12'
    """
    return "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
