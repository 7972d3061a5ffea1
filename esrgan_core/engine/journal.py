"""What a run reported, step by step: an append-only file that survives the process."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json


class Journal:
    """A `metrics.jsonl`: one line `{"step": n, "time": ms, name: value, ...}` per report.

    The time, in milliseconds since 1970, makes a point the same point wherever and however often
    it is sent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add one line and flush it to the system."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(to_json({"step": step, "time": time.time_ns() // 10**6, **values}) + "\n")

    def rows(self) -> list[dict[str, float]]:
        """All reports in order; a last line cut short by a kill is left out."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(from_json(line))
            except json.JSONDecodeError:
                break
        return rows

    def keep(self, wanted: Callable[[Mapping[str, float]], bool]) -> None:
        """Drop the reports that are not wanted, as those of steps that come again."""
        kept = [to_json(row) + "\n" for row in self.rows() if wanted(row)]
        write_text(self.path, "".join(kept))
