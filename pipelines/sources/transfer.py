"""A file that arrives in parts, over as many tries as it takes, and the options of it."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 256 * 1024
"""Bytes that a cut can cost at most."""
LONGEST_WAIT = 60.0
"""Seconds that a host may ask for."""
OnBytes = Callable[[int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often a host is asked again when nothing more comes from it, and after how long."""

    tries: int = 5
    first_wait: float = 1.0
    """Seconds; doubled each time."""

    def wait(self, failures: int) -> float:
        """Seconds before the next try, spread so that many do not come back at once."""
        return min(self.first_wait * 2.0**failures, LONGEST_WAIT) * random.uniform(0.5, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferOptions:
    """How a file is fetched."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    stop: threading.Event = field(default_factory=threading.Event)
    """Set from another thread, it ends the fetching."""
    on_bytes: OnBytes = lambda count: None
    """SemanticMaps of every piece that arrives; a negative one is what has to be fetched again."""
    unreachable_hosts: set[str] = field(default_factory=set)
    """Hosts that never answered; the next file asks them once and not again and again."""


def size_of(part: Path) -> int:
    """Bytes that have arrived."""
    return part.stat().st_size if part.exists() else 0


def note_of(part: Path) -> Path:
    """File that says what a partial file is of."""
    return part.with_name(f"{part.name}.json")


def forget(part: Path, options: TransferOptions) -> None:
    """Begin again: what has arrived is of no use."""
    if lost := size_of(part):
        options.on_bytes(-lost)
    part.unlink(missing_ok=True)
    note_of(part).unlink(missing_ok=True)
