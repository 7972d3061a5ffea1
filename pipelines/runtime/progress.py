"""Progress of long work: a bar with ETA on a terminal, a plain line now and then elsewhere.

Whoever started the work can watch it in its status file, too.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from threading import Lock

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn

from pipelines.runtime.status import Status, write_status

Advance = Callable[[int, str], None]
Show = Callable[[int, str, timedelta], None]
SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_STATUS = 1.0
PACES = 25
"""How many of the latest paces the time left is told from."""


@contextmanager
def progress(
    what: str, total: int, done: int = 0, *, shown: bool = True, bytes_: bool = False
) -> Iterator[Advance]:
    """Yield a function that takes (units completed so far, a note) and shows them.

    With `bytes_` the units are bytes and shown as MB and GB.
    """
    if not shown:
        yield lambda completed, note: None
        return
    eta = Eta(total, done)
    say = decimal if bytes_ else str
    told = 0.0
    write_status(Status(what=what, completed=done, total=total))
    with _display(what, total, done, say) as show:

        def advance(completed: int, note: str) -> None:
            nonlocal told
            left = eta.after(completed)
            show(completed, note, left)
            if completed >= total or time.monotonic() - told > SECONDS_BETWEEN_STATUS:
                told = time.monotonic()
                seconds = left.total_seconds()
                write_status(
                    Status(
                        what=what, completed=completed, total=total, seconds_left=seconds, note=note
                    )
                )

        yield advance


@contextmanager
def _display(what: str, total: int, done: int, say: Callable[[int], str]) -> Iterator[Show]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain(what, total, say)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TextColumn("{task.fields[left]} left"),
        TextColumn("{task.fields[note]}"),
        console=console,
    ) as bar:
        task = bar.add_task(what, total=total, completed=done, note="", left="?", said="")
        yield lambda completed, note, left: bar.update(
            task,
            completed=completed,
            note=format_terms,
            left=left,
            said=f"{say(completed)}/{say(total) if total else '?'}",
        )


@contextmanager
def byte_progress(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the bytes of each piece, from any thread."""
    lock = Lock()
    with progress(what, total, done, bytes_=True) as advance:

        def on_bytes(count: int) -> None:
            nonlocal done
            with lock:
                done += count
                advance(done, "")

        yield on_bytes


class Eta:
    """Time left, from the median pace of late: a pause or a slow start does not linger."""

    def __init__(self, total: int, done: int) -> None:
        """Count from now; `done` units were there before."""
        self.total, self.last = total, (time.monotonic(), done)
        self.paces: deque[float] = deque(maxlen=PACES)

    def after(self, completed: int) -> timedelta:
        """Time left now that `completed` units are done."""
        now, (then, before) = time.monotonic(), self.last
        if completed > before:
            self.paces.append((now - then) / (completed - before))
            self.last = now, completed
        pace = median(self.paces) if self.paces else 0.0
        return timedelta(seconds=round(pace * max(self.total - completed, 0)))


def _plain(what: str, total: int, say: Callable[[int], str]) -> Show:
    shown = time.monotonic()

    def show(completed: int, note: str, left: timedelta) -> None:
        nonlocal shown
        now = time.monotonic()
        if completed < total and now - shown < SECONDS_BETWEEN_LINES:
            return
        shown = now
        whole = say(total) if total else "?"
        line = f"{what} {say(completed)}/{whole}, {left} left  {note}".rstrip()
        print(line, file=sys.stderr, flush=True)

    return show


def format_terms(values: Mapping[str, float]) -> str:
    """Terms as a short text."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
