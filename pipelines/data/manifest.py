"""The image folder: images as they came, and a manifest that lists them."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from esrgan_core.files import atomic_path, file_sha256
from pipelines.runtime.errors import TransientError


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestRow:
    """One image's line in the manifest."""

    path: str
    kind: str
    """hr, or lrx4 and the like: a provided LR."""
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


class BadImagesError(ValueError):
    """Some images cannot be used; the message lists each with its cause and remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        lines = list(problems)
        super().__init__("\n".join(["some images cannot be used:", *lines]))


class UnreachableImagesError(TransientError, BadImagesError):
    """Some of them could not be had, which may pass."""


def write_manifest(path: Path, rows: list[ManifestRow]) -> None:
    """Write the manifest as CSV, sorted by path."""
    names = [field.name for field in fields(ManifestRow)]
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in sorted(rows, key=attrgetter("path")))


def read_manifest(path: Path) -> list[ManifestRow]:
    """The manifest's lines, one for each image."""
    with path.open(encoding="utf-8", newline="") as file:
        lines: Iterator[dict[str, Any]] = csv.DictReader(file, strict=True)
        return [
            ManifestRow(**line | {side: int(line[side]) for side in ("width", "height")})
            for line in lines
        ]


def current_sha256(path: Path) -> str:
    """A image's checksum as it is; what no file has if it is gone."""
    return file_sha256(path) if path.is_file() else "gone"


def pair_with_lr(rows: list[ManifestRow]) -> list[tuple[ManifestRow, ManifestRow | None]]:
    """Every HR image with the LR that was provided for it, None where it has to be made."""
    lr = {row.pair_name: row for row in rows if row.kind != "hr"}
    return [(row, lr.get(row.pair_name)) for row in rows if row.kind == "hr"]
