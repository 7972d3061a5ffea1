"""Catalogs: which images there are, where they come from, and what they must be.

A catalog is a CSV with a row for each image. A row may stand for a whole range of them:
`{0001..0800}` in its name and URI. A row of the split `archive` says where an archive comes
from; images within it have the URI `archive://<its name>/<member>`.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from esrgan_core.files import atomic_path
from esrgan_core.io.folder import SUFFIXES
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import ArchiveMember, parse_location
from pipelines.sources.resolve import RemoteFile

REQUIRED = ("name", "split", "set", "uri", "bytes", "sha256", "license", "origin")
OPTIONAL = ("kind", "md5", "mirrors", "citation")
COLUMNS = (*REQUIRED, *OPTIONAL)
SPLITS = ("train", "val", "test")
ARCHIVE = "archive"
BEYOND = "beyond the columns"
"""What a row has more of than there are columns."""
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
LONGEST_RANGE = 1_000_000
UNKNOWN = ".image"
"""Suffix of images whose address has none of a image; what they are is in the file."""
LR = "lr"
"""Folder of provided LR images, which mirrors that of the HR ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogEntry:
    """One image: what it is called, which split it serves, where it comes from."""

    name: str
    split: str
    set: str
    source: RemoteFile
    kind: str = "hr"
    """Or lrx2, lrx4, ...: a provided LR of the HR of the same name."""
    license: str = "unknown"
    origin: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that would land outside the image folder or in no split."""
        if self.split not in SPLITS:
            raise ValueError(f"{self.name}: split is {self.split!r}, not one of {SPLITS}")
        for part in (self.name, self.set):
            if not part or part.startswith(".") or PurePosixPath(part).name != part:
                raise ValueError(f"{part!r} cannot name a image or set: use a plain word")
            if any(ord(letter) < 32 for letter in part):
                raise ValueError(f"{part!r} has control characters in its name; rename it")
        if not re.fullmatch(r"hr|lrx\d", self.kind):
            raise ValueError(f"{self.name}: kind is {self.kind!r}, neither hr nor one like lrx4")

    @property
    def pair_name(self) -> str:
        """Path of its HR in the image folder, without suffix: `train/a`, `test/<set>/a`."""
        folder = f"test/{self.set}" if self.split == "test" else self.split
        return f"{folder}/{self.name}"

    @property
    def path(self) -> str:
        """Place in the image folder: `train/a.png`, `val/a.png`, `test/<set>/a.png`, `lr/...`."""
        place = self.pair_name if self.kind == "hr" else f"{LR}/{self.pair_name}"
        suffix = PurePosixPath(urlsplit(self.source.uri).path).suffix.lower()
        # always with a suffix, which can be taken off again: names may have dots
        return f"{place}{suffix if suffix in SUFFIXES else UNKNOWN}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """Images, and the archives that some of them lie in, by name."""

    entries: list[CatalogEntry]
    archives: dict[str, RemoteFile]

    def exclude(self, places: Sequence[str]) -> "Catalog":
        """The same without some images, named as `train/a`, and archives of nothing else.

        Raises:
            ValueError: if there is no such image.
        """
        if unknown := set(places) - {entry.pair_name for entry in self.entries}:
            raise ValueError(f"download.exclude names {sorted(unknown)}, which are not there")
        return self._only([entry for entry in self.entries if entry.pair_name not in places])

    def select_lr(self, scale: int | None) -> "Catalog":
        """HR images, and of provided LR those of one scale; None for none."""
        return self._only([e for e in self.entries if e.kind in ("hr", f"lrx{scale}")])

    def _only(self, entries: list[CatalogEntry]) -> "Catalog":
        locations = [parse_location(entry.source.uri) for entry in entries]
        used = {place.archive for place in locations if isinstance(place, ArchiveMember)}
        archives = {name: origin for name, origin in self.archives.items() if name in used}
        return Catalog(entries=entries, archives=archives)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a catalog file as they stand, each with every column.

    Raises:
        ValueError: if columns are missing or unknown.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True, restkey=BEYOND, restval="")
            columns, rows = table.fieldnames or [], list(table)
    except (csv.Error, UnicodeError) as error:
        raise ValueError(f"{path} is no table of UTF-8 text ({error})") from error
    if missing := set(REQUIRED) - set(columns):
        raise ValueError(f"{path} lacks the columns {sorted(missing)}")
    if unknown := set(columns) - set(COLUMNS):
        raise ValueError(f"{path} has columns {sorted(unknown)} that mean nothing; remove them")
    for number, row in enumerate(rows, start=2):
        if any(row.pop(BEYOND, "")):
            raise ValueError(f"{path}, line {number}: more values than columns")
    return [dict.fromkeys(COLUMNS, "") | row for row in rows]


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows as a catalog file; optional columns that say nothing are left out."""
    said = [name for name in COLUMNS if name in REQUIRED or any(row.get(name) for row in rows)]
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, said, restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def read_catalog(path: Path) -> Catalog:
    """A catalog file, ranges written out.

    Raises:
        ValueError: naming the file, if it is malformed.
    """
    archives: dict[str, RemoteFile] = {}
    entries: list[CatalogEntry] = []
    for number, row in enumerate(read_rows(path), start=2):
        try:
            if row["split"] == ARCHIVE:
                if row["name"] in archives:
                    raise ValueError(f"two archives are called {row['name']!r}")
                archives[row["name"]] = parse_source(row)
            else:
                entries += [_entry(one) for one in _written_out(row)]
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    try:
        for entry in entries:
            location = parse_location(entry.source.uri)
            if isinstance(location, ArchiveMember) and location.archive not in archives:
                raise ValueError(f"{entry.source.uri}: no row of split archive is called so")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Catalog(entries=entries, archives=archives)


def check_unique_paths(entries: Sequence[CatalogEntry]) -> None:
    """Refuse two images that want one place, and an LR of nothing.

    Raises:
        ValueError: naming them.
    """
    places: dict[tuple[str, str], CatalogEntry] = {}
    for entry in entries:
        if (other := places.setdefault((entry.pair_name, entry.kind), entry)) is not entry:
            raise ValueError(
                f"{entry.source.uri} and {other.source.uri} are both called {entry.pair_name}; "
                "rename one"
            )
    for (place, kind), entry in places.items():
        if kind != "hr" and (place, "hr") not in places:
            raise ValueError(f"{entry.source.uri} is the LR of {place}, which is not there")


def parse_source(row: Mapping[str, str]) -> RemoteFile:
    """Where the file of a row comes from.

    Raises:
        ValueError: if its size is no number or no source serves its URI.
    """
    expected = ExpectedFile(
        bytes=int(row["bytes"] or 0), sha256=row["sha256"].lower(), md5=row["md5"].lower()
    )
    return RemoteFile(uri=row["uri"], mirrors=tuple(row["mirrors"].split()), expected=expected)


def _entry(row: Mapping[str, str]) -> CatalogEntry:
    words = {key: row[key] for key in ("name", "split", "set", "license", "origin", "citation")}
    return CatalogEntry(source=parse_source(row), kind=row["kind"] or "hr", **words)


def _written_out(row: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A row for each number of its range; a row without one as it is."""
    found = RANGE.findall(row["name"])
    if not found:
        yield dict(row)
        return
    (first, last), *more = found
    if more or RANGE.findall(row["uri"]) != [(first, last)] or row["sha256"] or row["md5"]:
        raise ValueError(
            f"{row['name']}: a range stands once in the name and the same one once in the URI, "
            "and has no checksum of its own"
        )
    if not int(first) <= int(last) < int(first) + LONGEST_RANGE:
        raise ValueError(f"{row['name']}: the range ends before it begins, or is endless")
    for number in range(int(first), int(last) + 1):
        text = str(number).zfill(len(first))
        yield {**row, **{key: RANGE.sub(text, row[key]) for key in ("name", "uri", "mirrors")}}
