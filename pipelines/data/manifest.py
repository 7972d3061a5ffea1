"""The manifest of the image folder."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from esrgan_core.files import file_sha256
from pipelines.config.errors import TransientError, UserError
from pipelines.data.csv_file import write_csv


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestRow:
    """An image of the image folder."""

    path: str
    kind: str
    """hr, or a provided LR such as lrx4."""
    split: str
    set: str
    width: int
    height: int
    mode: str
    sha256: str
    license: str
    origin: str
    citation: str

    @property
    def pair_name(self) -> str:
        """Name of its pair in the pair store: the path of the HR without suffix."""
        return self.path.rpartition(".")[0].removeprefix("lr/")


class BadImagesError(UserError):
    """Some images cannot be used; the message lists each with its cause and remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(["some images cannot be used:", *problems]))


class UnreachableImagesError(TransientError, BadImagesError):
    """Some images cannot be fetched at present."""


def write_manifest(path: Path, rows: list[ManifestRow]) -> None:
    """Write the manifest as CSV, sorted by path."""
    columns = [field.name for field in fields(ManifestRow)]
    write_csv(path, columns, map(asdict, sorted(rows, key=attrgetter("path"))))


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read the manifest."""
    with path.open(encoding="utf-8", newline="") as file:
        lines: Iterator[dict[str, Any]] = csv.DictReader(file, strict=True)
        return [
            ManifestRow(**line | {side: int(line[side]) for side in ("width", "height")})
            for line in lines
        ]


def current_sha256(path: Path) -> str:
    """Checksum of a file; "gone" if it does not exist."""
    return file_sha256(path) if path.is_file() else "gone"


def pair_with_lr(rows: list[ManifestRow]) -> list[tuple[ManifestRow, ManifestRow | None]]:
    """Each HR image with its provided LR; None if LR has to be made."""
    lr = {row.pair_name: row for row in rows if row.kind != "hr"}
    return [(row, lr.get(row.pair_name)) for row in rows if row.kind == "hr"]
