"""What some work takes."""

from dataclasses import dataclass
from datetime import timedelta

from rich.filesize import decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What some work takes."""

    what: str
    seconds: float
    disk: int
    """Bytes that it leaves."""
    memory: int
    """Bytes at its peak, of the machine or, computing on a GPU, of the process beside it."""
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As lines."""
        lines = [
            self.what,
            f"  time    {timedelta(seconds=round(self.seconds))}",
            f"  disk    {decimal(self.disk)}",
            f"  memory  {decimal(self.memory)}",
        ]
        return "\n".join([*lines, *(f"  {remark}" for remark in self.remarks)])
