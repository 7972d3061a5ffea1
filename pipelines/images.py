"""The image folder: pictures as they came, and a manifest that lists them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from esrgan_core.files import atomic_path, sha256_of
from pipelines.status import Passing


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
    frame = pd.DataFrame([asdict(row) for row in rows]).sort_values("path")
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def read_manifest(path: Path) -> pd.DataFrame:
    """The manifest, one row per picture, text columns never guessed to be numbers."""
    sizes = {"width": int, "height": int}
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return frame.astype(sizes)


def rows_of(manifest: pd.DataFrame) -> list[Row]:
    """The manifest's lines as typed values."""
    return [
        Row(**{str(key): value for key, value in row.items()})
        for row in manifest.to_dict("records")
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
