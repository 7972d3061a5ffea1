"""Files and folders that parameters name, each with the hash of its content: `maps#sha256=...`.

DVC compares parameters, not what they point to. With the hash in it, a parameter changes when the
content that is wanted changes, and every stage that reads it runs again.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from esrgan_core.files import file_sha256
from esrgan_core.records import record_hash
from pipelines.runtime.progress import progress
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import REPOSITORY
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import HttpFile, LocalFile, Location, S3Object, parse_location
from pipelines.sources.resolve import RemoteFile, resolve
from pipelines.sources.transfer import TransferOptions

MARK = "#sha256="


def pinned_hash(value: str) -> str:
    """The hash in a parameter's value; "" if it has none.

    >>> hash_of("maps")
    ''

    Raises:
        ValueError: if what stands there is no SHA-256.
    """
    return _parts(value)[1]


def pin(value: str) -> str:
    """A parameter's value with the hash of what is there now, unless it has one.

    Raises:
        OSError: if there is nothing, or it cannot be read.
        ValueError: if its hash is none, or a folder has no files.
    """
    if not value or pinned_hash(value):
        return value
    return f"{value}{MARK}{_content_hash(_found(value, ExpectedFile()))}"


def find_pinned(value: str) -> Path:
    """The file or folder that a parameter names, fetched if need be, its content checked.

    Raises:
        OSError: if it is not there, or cannot be had.
        ValueError: if the value has no hash, or the content has another; says what to write.
    """
    location, wanted = _parts(value)
    if redact(location) != location:
        raise ValueError(
            f"{redact(location)} has credentials with it, which git, dvc.lock and MLflow would "
            "keep; give a file that was fetched, or leave them to ~/.netrc or AWS's environment"
        )
    if not wanted:
        raise ValueError(
            f"{value} needs the hash of its content, {value}{MARK}...; "
            "`esrgan params` writes it into params.yaml"
        )
    # what is fetched is held to its hash on the way
    is_fetched = isinstance(_location(location), HttpFile | S3Object)
    path = _found(location, ExpectedFile(sha256=wanted) if is_fetched else ExpectedFile())
    if not is_fetched and (there := _content_hash(path)) != wanted:
        raise ValueError(
            f"{location} has changed: its sha256 is {there} and params.yaml has {wanted}; bring "
            f"the old content back, or set it to {location} without a hash and run "
            "`esrgan params`, which writes the new one"
        )
    return path


def _parts(value: str) -> tuple[str, str]:
    """(location, hash) of a parameter's value."""
    location, mark, digest = value.partition(MARK)
    if mark and not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(
            f"{redact(location)}: {digest!r} is no sha256 in 64 hex digits; name it without a "
            "hash and run `esrgan params`, which writes it"
        )
    return location, digest


def _location(text: str) -> Location:
    """What a parameter names: a URI as in a catalog, or a path, in which nothing is escaped."""
    return parse_location(text) if "://" in text else LocalFile(path=Path(text))


def _found(location: str, expected: ExpectedFile) -> Path:
    """Where a location's content is; a relative path may be one of the repository."""
    match _location(location):
        case LocalFile(path=path):
            # a run works in a clone, which lacks what git does not have
            places = [path, Path(os.environ.get(REPOSITORY, "")) / path]
            if place := next((one for one in places if one.exists()), None):
                return place
            raise FileNotFoundError(f"{location}: there is no such file or folder")
        case _:
            return resolve(RemoteFile(uri=location, expected=expected), TransferOptions())


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents in a folder.

    Links are followed; hidden files do not count.
    """
    if path.is_file():
        return file_sha256(path)
    if not (names := sorted(_names_in(path))):
        raise ValueError(f"{path} is a folder without files; put them there, or name another one")
    hashes = {}
    with ThreadPoolExecutor() as pool, progress(f"hash {path}", len(names)) as advance:
        found = pool.map(lambda name: file_sha256(path / name), names)
        for number, (name, content) in enumerate(zip(names, found, strict=True), start=1):
            hashes[name] = content
            advance(number, name)
    return record_hash(hashes)


def _names_in(folder: Path) -> Iterator[str]:
    """The files below a folder, by their paths from it."""
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_fail):
        here = Path(place)
        inner = here.relative_to(folder)
        above = {(folder / part).resolve() for part in (inner, *inner.parents)}
        # a link may lead back
        folders[:] = [
            name for name in folders if name[0] != "." and (here / name).resolve() not in above
        ]
        for name in files:
            if name[0] != "." and (here / name).is_file():
                yield (inner / name).as_posix()


def _fail(error: OSError) -> None:
    raise error
