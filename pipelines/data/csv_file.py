"""CSV files in a fixed format, so that equal rows give equal files."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from esrgan_core.files import atomic_path


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write the `columns` of rows; missing values are empty."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
