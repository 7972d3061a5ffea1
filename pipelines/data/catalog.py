"""Catalogs: CSV files that list images, their locations and their checksums.

A row is an image, or a range of images with `{0001..0800}` in its name and URI. A row of the split
`archive` is an archive; images in it have the URI `archive://<its name>/<member>`.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from esrgan_core.io.folder import SUFFIXES
from pipelines.config.errors import UserError
from pipelines.data.csv_file import write_csv
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import ArchiveMember, RemoteFile, parse_location

REQUIRED = ("name", "split", "set", "uri", "bytes", "sha256", "license", "origin")
OPTIONAL = ("kind", "md5", "mirrors", "citation")
COLUMNS = (*REQUIRED, *OPTIONAL)
DESCRIPTION = ("split", "set", "license", "origin", "citation")
"""Columns that the manifest of the images has, too."""
SPLITS = ("train", "val", "test")
ARCHIVE = "archive"
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
LONGEST_RANGE = 1_000_000
UNKNOWN_SUFFIX = ".image"
LR = "lr"
"""Folder of provided LR images, which mirrors the HR images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogEntry:
    """An image of a catalog."""

    name: str
    split: str
    set: str
    source: RemoteFile
    kind: str = "hr"
    """Or lrx2, lrx4, ...: a provided LR of the HR with the same name."""
    license: str = "unknown"
    origin: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UserError(f"{self.name}: split is {self.split!r}, not one of {SPLITS}")
        for part in (self.name, self.set):
            if not part or part.startswith(".") or PurePosixPath(part).name != part:
                raise UserError(f"{part!r} cannot name an image or a set; use a plain word")
            if any(ord(letter) < 32 for letter in part):
                raise UserError(f"{part!r} has control characters in its name; rename it")
        if not re.fullmatch(r"hr|lrx\d", self.kind):
            raise UserError(f"{self.name}: kind must be hr or like lrx4, got {self.kind!r}")

    @property
    def pair_name(self) -> str:
        """Path of its HR in the image folder without suffix: `train/a`, `test/<set>/a`."""
        folder = f"test/{self.set}" if self.split == "test" else self.split
        return f"{folder}/{self.name}"

    @property
    def path(self) -> str:
        """Path in the image folder: `train/a.png`, `test/<set>/a.png`, `lr/train/a.png`."""
        stem = self.pair_name if self.kind == "hr" else f"{LR}/{self.pair_name}"
        suffix = PurePosixPath(urlsplit(str(self.source.location)).path).suffix.lower()
        # always a suffix, so that it can be removed again from names with dots
        return f"{stem}{suffix if suffix in SUFFIXES else UNKNOWN_SUFFIX}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """Images, and the archives of some of them by name."""

    entries: list[CatalogEntry]
    archives: dict[str, RemoteFile]

    @property
    def files(self) -> list[RemoteFile]:
        """Images that are not in an archive, and archives."""
        images = [entry.source for entry in self.entries]
        single = [file for file in images if not isinstance(file.location, ArchiveMember)]
        return [*single, *self.archives.values()]

    def exclude(self, pair_names: Sequence[str]) -> "Catalog":
        """Remove some images, and archives that only they use; a UserError if one is unknown."""
        if unknown := set(pair_names) - {entry.pair_name for entry in self.entries}:
            raise UserError(f"download.exclude names unknown images: {sorted(unknown)}")
        return self._keep([entry for entry in self.entries if entry.pair_name not in pair_names])

    def select_lr(self, scale: int | None) -> "Catalog":
        """Keep HR images, and provided LR images of one scale; None for none."""
        return self._keep([entry for entry in self.entries if entry.kind in ("hr", f"lrx{scale}")])

    def _keep(self, entries: list[CatalogEntry]) -> "Catalog":
        locations = [entry.source.location for entry in entries]
        used = {place.archive for place in locations if isinstance(place, ArchiveMember)}
        archives = {name: file for name, file in self.archives.items() if name in used}
        return Catalog(entries=entries, archives=archives)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a catalog's rows, each with all columns; a UserError if some are missing or unknown."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True, restval="")
            columns, rows = table.fieldnames or [], list(table)
    except (csv.Error, UnicodeError) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error})") from error
    if missing := set(REQUIRED) - set(columns):
        raise UserError(f"{path} lacks the columns {sorted(missing)}")
    if unknown := set(columns) - set(COLUMNS):
        raise UserError(f"{path} has unknown columns {sorted(unknown)}; remove them")
    for number, row in enumerate(rows, start=2):
        if any(row.pop(None, "")):  # values without a column
            raise UserError(f"{path}, line {number}: more values than columns")
    return [dict.fromkeys(COLUMNS, "") | row for row in rows]


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows as a catalog file, without optional columns that are empty."""
    columns = [name for name in COLUMNS if name in REQUIRED or any(row.get(name) for row in rows)]
    write_csv(path, columns, rows)


def to_row(entry: CatalogEntry) -> dict[str, str]:
    """Row of an entry."""
    expected = entry.source.expected
    return {name: getattr(entry, name) for name in ("name", *DESCRIPTION)} | {
        "uri": str(entry.source.location),
        "bytes": str(expected.bytes),
        "sha256": expected.sha256,
        "kind": "" if entry.kind == "hr" else entry.kind,
    }


def parse_source(row: Mapping[str, str]) -> RemoteFile:
    """Location and expected content of a row.

    Raises:
        ValueError: if its size is not a number, or its URI has an unknown scheme.
    """
    expected = ExpectedFile(
        bytes=int(row["bytes"] or 0), sha256=row["sha256"].lower(), md5=row["md5"].lower()
    )
    mirrors = tuple(row["mirrors"].split())
    return RemoteFile(location=parse_location(row["uri"]), mirrors=mirrors, expected=expected)


def read_catalog(path: Path) -> Catalog:
    """Read a catalog file and expand its ranges; a UserError if it is malformed."""
    archives: dict[str, RemoteFile] = {}
    entries: list[CatalogEntry] = []
    for number, row in enumerate(read_rows(path), start=2):
        try:
            if row["split"] == ARCHIVE:
                if row["name"] in archives:
                    raise UserError(f"two archives are named {row['name']!r}")
                archives[row["name"]] = parse_source(row)
            else:
                entries += map(_parse_entry, _expand(row))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from error
    for entry in entries:
        location = entry.source.location
        if isinstance(location, ArchiveMember) and location.archive not in archives:
            raise UserError(f"{path}: {location}: no row of split archive has this name")
    return Catalog(entries=entries, archives=archives)


def _parse_entry(row: Mapping[str, str]) -> CatalogEntry:
    values = {key: row[key] for key in ("name", *DESCRIPTION)}
    return CatalogEntry(source=parse_source(row), kind=row["kind"] or "hr", **values)


def _expand(row: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """One row for each number of a range; a row without range as it is."""
    ranges = RANGE.findall(row["name"])
    if not ranges:
        yield dict(row)
        return
    (first, last), *more = ranges
    if more or RANGE.findall(row["uri"]) != ranges or row["sha256"] or row["md5"]:
        raise UserError(
            f"{row['name']}: a range must occur once in the name, the same once in the URI, "
            "and must not have a checksum"
        )
    if not int(first) <= int(last) < int(first) + LONGEST_RANGE:
        raise UserError(f"{row['name']}: the range ends before it begins, or is too long")
    for number in range(int(first), int(last) + 1):
        text = str(number).zfill(len(first))
        yield {**row, **{key: RANGE.sub(text, row[key]) for key in ("name", "uri", "mirrors")}}


def check_unique_paths(entries: Sequence[CatalogEntry]) -> None:
    """Raise a UserError if two images have the same path, or an LR has no HR."""
    found: dict[tuple[str, str], CatalogEntry] = {}
    for entry in entries:
        if (other := found.setdefault((entry.pair_name, entry.kind), entry)) is not entry:
            raise UserError(
                f"{entry.source.location} and {other.source.location} are both named "
                f"{entry.pair_name}; rename one"
            )
    for (name, kind), entry in found.items():
        if kind != "hr" and (name, "hr") not in found:
            raise UserError(f"{entry.source.location} is an LR of {name}, which does not exist")
