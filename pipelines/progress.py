"""Progress of long work: a bar with ETA on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Advance = Callable[[int, str], None]
SECONDS_BETWEEN_LINES = 15.0
PACES = 25
"""How many of the latest paces the time left is told from."""


@contextmanager
def progress(what: str, total: int, done: int = 0, *, shown: bool = True) -> Iterator[Advance]:
    """Yield a function that takes (units completed so far, a note) and shows them."""
    console = Console(stderr=True)
    eta = Eta(total, done)
    if not shown:
        yield lambda completed, note: None
    elif console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]} left"),
            TextColumn("{task.fields[note]}"),
            console=console,
        ) as bar:
            task = bar.add_task(what, total=total, completed=done, note="", left="?")
            yield lambda completed, note: bar.update(
                task, completed=completed, note=note, left=eta.after(completed)
            )
    else:
        yield _plain(what, total, eta)


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
        return timedelta(seconds=round(pace * (self.total - completed)))


def _plain(what: str, total: int, eta: Eta) -> Advance:
    shown = time.monotonic()

    def advance(completed: int, note: str) -> None:
        nonlocal shown
        left = eta.after(completed)
        now = time.monotonic()
        if completed < total and now - shown < SECONDS_BETWEEN_LINES:
            return
        shown = now
        line = f"{what} {completed}/{total}, {left} left  {note}".rstrip()
        print(line, file=sys.stderr, flush=True)

    return advance


def note(values: Mapping[str, float]) -> str:
    """Terms as a short text."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
