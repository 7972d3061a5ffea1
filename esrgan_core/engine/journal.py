"""The reports of a training, step by step, in an append-only file."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json

Row = Mapping[str, float]


class MetricsJournal:
    """A `metrics.jsonl`: one line `{"step": n, "time": ms, name: value, ...}` per report.

    The time, in milliseconds since 1970, identifies a report if it is sent again.

    Two more files hold reports for other runs of the same training: `later.jsonl` those after the
    current step that saved states of a longer run include, `ends.jsonl` the extra reports at the
    ends of shorter runs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.later = path.with_name("later.jsonl")
        self.ends = path.with_name("ends.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add one line and flush it to the system."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(to_json({"step": step, "time": time.time_ns() // 10**6, **values}) + "\n")

    def rows(self) -> list[dict[str, float]]:
        """All reports in order, without a last line that is incomplete."""
        return _read(self.path)

    def rewind(self, done: int, *, known: int, in_turn: Callable[[Row], bool], over: bool) -> None:
        """Restore the reports that an uninterrupted run would have at step `done`.

        Args:
            done: the step.
            known: the last step of a saved state; later reports are dropped.
            in_turn: whether longer runs make a report, too. Other reports at the end of the last
                run move to `ends.jsonl`, except validations, which are repeated.
            over: whether the run ends at `done`, and reports nothing more there.
        """
        rows = self.rows()
        ended = rows[-1]["step"] if rows else done
        last = [row for row in rows if row["step"] == ended and not in_turn(row)]
        rows = [row for row in rows if row not in last]
        ends = {
            row["step"]: row
            for row in (*_read(self.ends), *last)
            if row["step"] <= known and not is_validation(row)
        }
        # of two reports of a step, the one that led to `done`, or to the later states, counts
        found = {
            (row["step"], is_validation(row)): row
            for row in (
                *(row for row in rows if row["step"] > done),
                *_read(self.later),
                *(row for row in rows if row["step"] <= done),
            )
        }
        ordered = sorted(found.values(), key=lambda row: row["step"])
        own = [row for row in ordered if row["step"] <= done]
        # the journal last: a kill in between loses nothing
        _write(self.later, (row for row in ordered if done < row["step"] <= known))
        _write(self.ends, ends.values())
        _write(self.path, own + ([ends[done]] if over and done in ends else []))


def is_validation(row: Row) -> bool:
    """Whether a row is of a validation, not of the training's terms."""
    return any(name.startswith("val/") for name in row)


def _read(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(from_json(line))
        except json.JSONDecodeError:
            break
    return rows


def _write(path: Path, rows: Iterable[Row]) -> None:
    write_text(path, "".join(to_json(row) + "\n" for row in rows))
