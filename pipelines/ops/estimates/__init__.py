"""Time, disk space and memory of work, estimated from a short part of it."""

from collections.abc import Iterable
from datetime import timedelta

from rich.filesize import decimal


def format_estimate(
    title: str, *, seconds: float, disk: int, memory: int, notes: Iterable[str]
) -> str:
    """An estimate as text; `disk` and `memory`, at the peak, are in bytes."""
    time = timedelta(seconds=round(seconds))
    lines = [f"time    {time}", f"disk    {decimal(disk)}", f"memory  {decimal(memory)}"]
    return "\n  ".join([title, *lines, *notes])
