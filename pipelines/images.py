"""The image folder: pictures fetched, checked, and listed in a manifest."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from esrgan_core.files import atomic_path, sha256_of
from esrgan_core.image import BadImageError, inspect_image
from pipelines.catalog import Entry
from pipelines.progress import progress
from pipelines.sources import fetch


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One picture's line in the manifest."""

    path: str
    split: str
    set: str
    width: int
    height: int
    mode: str
    sha256: str
    license: str
    origin: str


class BadPicturesError(ValueError):
    """Some pictures cannot be used; the message lists each with its cause and remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        lines = list(problems)
        super().__init__("\n".join(["some pictures cannot be used:", *lines]))


def fetch_all(entries: list[Entry], folder: Path) -> list[Row]:
    """Fetch and check every picture, then complain of all bad ones together.

    Raises:
        BadPicturesError: if any is missing, damaged, or not what its catalog says.
    """
    rows, problems = [], []
    with progress("download", len(entries)) as advance:
        for number, entry in enumerate(entries, start=1):
            try:
                rows.append(_fetch_one(entry, folder))
            except (OSError, ValueError) as error:
                problems.append(f"  {entry.uri}: {error}")
            advance(number, entry.name)
    if problems:
        raise BadPicturesError(problems)
    return rows


def _fetch_one(entry: Entry, folder: Path) -> Row:
    target = folder / entry.path
    fetch(entry.uri, target)
    found = sha256_of(target)
    if entry.sha256 and found != entry.sha256:
        raise ValueError(
            f"its sha256 is {found}, the catalog says {entry.sha256}; "
            "get the original again, or correct the catalog if the picture was meant to change"
        )
    facts = inspect_image(target)
    return Row(
        path=entry.path,
        split=entry.split,
        set=entry.set,
        width=facts.width,
        height=facts.height,
        mode=facts.mode,
        sha256=found,
        license=entry.license,
        origin=entry.origin,
    )


def write_manifest(path: Path, rows: list[Row]) -> None:
    """Write the manifest as CSV, sorted by path."""
    frame = pd.DataFrame([asdict(row) for row in rows]).sort_values("path")
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def read_manifest(path: Path) -> pd.DataFrame:
    """The manifest, one row per picture, text columns never guessed to be numbers."""
    text = dict.fromkeys(("path", "split", "set", "mode", "sha256", "license", "origin"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False)


def rows_of(manifest: pd.DataFrame) -> list[Row]:
    """The manifest's lines as typed values."""
    return [
        Row(**{str(key): value for key, value in row.items()})
        for row in manifest.to_dict("records")
    ]


def recheck(path: Path) -> dict[str, str]:
    """What a picture's file is now: its sha256, and why it does not decode ("" if it does)."""
    try:
        inspect_image(path)
    except (BadImageError, OSError) as error:
        return {"sha256_now": sha256_of(path) if path.is_file() else "", "damage": str(error)}
    return {"sha256_now": sha256_of(path), "damage": ""}
