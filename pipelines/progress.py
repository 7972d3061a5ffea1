"""Progress of long work: a bar with ETA on a terminal, a plain line now and then elsewhere."""

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

Advance = Callable[[int, str], None]
SECONDS_BETWEEN_LINES = 15.0
PACES = 25
"""How many of the latest paces the time left is told from."""


@contextmanager
def progress(
    what: str, total: int, done: int = 0, *, shown: bool = True, bytes_: bool = False
) -> Iterator[Advance]:
    """Yield a function that takes (units completed so far, a note) and shows them.

    With `bytes_` the units are bytes and shown as MB and GB.
    """
    console = Console(stderr=True)
    eta = Eta(total, done)
    say = decimal if bytes_ else str
    if not shown:
        yield lambda completed, note: None
    elif console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TextColumn("{task.fields[left]} left"),
            TextColumn("{task.fields[note]}"),
            console=console,
        ) as bar:
            task = bar.add_task(what, total=total, completed=done, note="", left="?", said="")
            yield lambda completed, note: bar.update(
                task,
                completed=completed,
                note=note,
                left=eta.after(completed),
                said=f"{say(completed)}/{say(total) if total else '?'}",
            )
    else:
        yield _plain(what, total, eta, say)


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


def _plain(what: str, total: int, eta: Eta, say: Callable[[int], str]) -> Advance:
    shown = time.monotonic()

    def advance(completed: int, note: str) -> None:
        nonlocal shown
        left = eta.after(completed)
        now = time.monotonic()
        if completed < total and now - shown < SECONDS_BETWEEN_LINES:
            return
        shown = now
        whole = say(total) if total else "?"
        line = f"{what} {say(completed)}/{whole}, {left} left  {note}".rstrip()
        print(line, file=sys.stderr, flush=True)

    return advance


def note(values: Mapping[str, float]) -> str:
    """Terms as a short text."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
