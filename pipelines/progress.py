"""Progress of long work: a bar with ETA on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]
SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Yield a function that takes (units completed so far, a note) and shows them."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        ) as bar:
            task = bar.add_task(what, total=total, completed=done, note="")
            yield lambda completed, note: bar.update(task, completed=completed, note=note)
    else:
        yield _plain(what, total, done)


def _plain(what: str, total: int, start: int) -> Advance:
    began = last = time.monotonic()

    def advance(completed: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if completed < total and now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        rate = (now - began) / max(completed - start, 1)
        left = timedelta(seconds=round(rate * (total - completed)))
        print(
            f"{what} {completed}/{total}, {left} left  {note}".rstrip(), file=sys.stderr, flush=True
        )

    return advance


def note(values: Mapping[str, float]) -> str:
    """Terms as a short text."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
