"""What pictures a run uses: from catalogs in `data/`, or from pictures that lie there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import pandas as pd

from esrgan_core.files import sha256_of
from esrgan_core.image import find_images

COLUMNS = ("name", "split", "set", "uri", "bytes", "sha256", "license", "origin")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One picture: what it is called, which split it serves, where it comes from."""

    name: str
    split: str
    set: str
    uri: str
    bytes: int
    sha256: str
    license: str
    origin: str

    def __post_init__(self) -> None:
        """Refuse a row that would land outside the image folder or in no split."""
        if self.split not in SPLITS:
            raise ValueError(f"{self.name}: split is {self.split!r}, not one of {SPLITS}")
        for part in (self.name, self.set):
            if not part or part.startswith(".") or PurePosixPath(part).name != part:
                raise ValueError(f"{part!r} cannot name a picture or set: use a plain word")

    @property
    def path(self) -> str:
        """Place in the image folder: `train/a.png`, `val/a.png`, `test/<set>/a.png`."""
        folder = f"test/{self.set}" if self.split == "test" else self.split
        return f"{folder}/{self.name}{PurePosixPath(self.uri).suffix.lower()}"


def entries_in(data: Path, catalogs: list[str]) -> list[Entry]:
    """The catalogs named, where `data` holds catalogs; else the pictures in it.

    Raises:
        ValueError: if there is neither, a catalog is malformed, or two pictures want one place.
    """
    if not data.is_dir():
        raise ValueError(f"no folder {data}; `dvc repro data.dvc` or `dvc checkout` brings it")
    pictures = find_images(data)
    if pictures and not any(data.glob("*.csv")):
        entries = _from_pictures(data, pictures)
    else:
        entries = [entry for name in catalogs for entry in _from_catalog(data, name)]
    places: dict[str, Entry] = {}
    for entry in entries:
        stem = str(PurePosixPath(entry.path).with_suffix(""))
        if (other := places.setdefault(stem, entry)) is not entry:
            raise ValueError(f"{entry.uri} and {other.uri} are both called {stem}; rename one")
    return entries


def _from_catalog(data: Path, name: str) -> list[Entry]:
    path = data / f"{name}.csv"
    if not path.is_file():
        known = sorted(file.stem for file in data.glob("*.csv"))
        raise ValueError(
            f"download.catalogs names {name!r}; {data} has the catalogs {known} and no pictures"
        )
    frame = pd.read_csv(path, dtype={"sha256": str}, keep_default_na=False)
    if missing := set(COLUMNS) - set(frame.columns):
        raise ValueError(f"{path} lacks the columns {sorted(missing)}")
    try:
        return [
            _entry({str(key): value for key, value in row.items()})
            for row in frame.to_dict("records")
        ]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _entry(row: Mapping[str, object]) -> Entry:
    words = {column: str(row[column]) for column in COLUMNS if column != "bytes"}
    return Entry(bytes=int(str(row["bytes"])), **words)


def _from_pictures(data: Path, pictures: list[Path]) -> list[Entry]:
    """Pictures below train, val and test/<set>; without such folders, split by content."""
    hashes = {path: sha256_of(path) for path in pictures}
    sorted_already = any((data / split).is_dir() for split in SPLITS)
    splits = {} if sorted_already else split_by_content(hashes)
    entries = []
    for path in pictures:
        folders = path.relative_to(data).parts[:-1]
        if sorted_already and folders[:1] not in {(split,) for split in SPLITS}:
            raise ValueError(f"{path} lies outside train, val and test in {data}; move it")
        split = folders[0] if sorted_already else splits[path]
        inner = folders[1:] if sorted_already else folders
        is_test_set = sorted_already and split == "test" and inner
        entries.append(
            Entry(
                name="_".join([*(inner[1:] if is_test_set else inner), path.stem]),
                split=split,
                set=inner[0] if is_test_set else "own",
                uri=quote(str(path)),
                bytes=path.stat().st_size,
                sha256=hashes[path],
                license="unknown",
                origin=str(path),
            )
        )
    return entries


def split_by_content(hashes: Mapping[Path, str]) -> dict[Path, str]:
    """About a tenth each for test and validation, by sha256.

    A picture keeps its split whatever else comes or goes. A split left empty by chance gets
    the nearest picture.

    Raises:
        ValueError: for fewer than three different pictures.
    """
    if len(set(hashes.values())) < 3:
        raise ValueError("at least 3 different pictures are needed: train, val and test")
    # equal contents go together, so that a duplicate is never in two splits by this function
    contents = sorted(set(hashes.values()))
    tenth = 0x1999_9999
    of = {
        content: "test"
        if (head := int(content[:8], 16)) < tenth
        else "val"
        if head < 2 * tenth
        else "train"
        for content in contents
    }
    for position, split in ((-1, "train"), (0, "test"), (1, "val")):
        if split not in of.values():
            of[contents[position]] = split
    return {path: of[content] for path, content in hashes.items()}
