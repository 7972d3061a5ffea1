"""Time, disk space and memory of work."""

from dataclasses import dataclass
from datetime import timedelta

from rich.filesize import decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Time, disk space and memory of work."""

    title: str
    seconds: float
    disk: int
    """Bytes of the files that it writes."""
    memory: int
    """Bytes of main memory at the peak."""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"time    {timedelta(seconds=round(self.seconds))}",
            f"disk    {decimal(self.disk)}",
            f"memory  {decimal(self.memory)}",
        ]
        return "\n  ".join([self.title, *lines, *self.notes])
