"""The image folder: pictures as they came, and a manifest that lists them."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from esrgan_core.files import atomic_path, sha256_of
from pipelines.runtime.status import Passing


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One picture's line in the manifest."""

    path: str
    kind: str
    """hr, or lrx4 and the like: a supplied LR."""
    split: str
    set: str
    width: int
    height: int
    mode: str
    sha256: str
    license: str
    origin: str
    citation: str


class BadPicturesError(ValueError):
    """Some pictures cannot be used; the message lists each with its cause and remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        lines = list(problems)
        super().__init__("\n".join(["some pictures cannot be used:", *lines]))


class UnreachablePicturesError(Passing, BadPicturesError):
    """Some of them could not be had, which may pass."""


def write_manifest(path: Path, rows: list[Row]) -> None:
    """Write the manifest as CSV, sorted by path."""
    names = [field.name for field in fields(Row)]
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in sorted(rows, key=attrgetter("path")))


def read_manifest(path: Path) -> list[Row]:
    """The manifest's lines, one for each picture."""
    with path.open(encoding="utf-8", newline="") as file:
        lines: Iterator[dict[str, Any]] = csv.DictReader(file, strict=True)
        return [
            Row(**line | {side: int(line[side]) for side in ("width", "height")}) for line in lines
        ]


def sha256_now(path: Path) -> str:
    """A picture's checksum as it is; what no file has if it is gone."""
    return sha256_of(path) if path.is_file() else "gone"


def with_supplied_lr(rows: list[Row]) -> list[tuple[Row, Row | None]]:
    """Every HR picture with the LR that was supplied for it, None where it has to be made."""
    lr = {place_of(row).removeprefix("lr/"): row for row in rows if row.kind != "hr"}
    return [(row, lr.get(place_of(row))) for row in rows if row.kind == "hr"]


def place_of(row: Row) -> str:
    """A picture's path without its suffix, which it always has: its name in the pair store."""
    return row.path.rpartition(".")[0]
