"""Files and folders that parameters name, each with the hash of its content: `maps#sha256=...`.

DVC compares parameters, not what they point to. With the hash in it, a parameter changes when the
content that is wanted changes, and every stage that reads it runs again.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from esrgan_core.files import sha256_of
from esrgan_core.records import record_hash
from pipelines.paths import REPOSITORY
from pipelines.progress import progress
from pipelines.redaction import redacted
from pipelines.sources import (
    Expected,
    HttpFile,
    LocalFile,
    Manner,
    Origin,
    S3Object,
    located,
    parse_location,
)

MARK = "#sha256="


def location_of(value: str) -> str:
    """A parameter's value without the hash.

    >>> location_of("maps#sha256=12ab"), location_of("maps")
    ('maps', 'maps')
    """
    return value.partition(MARK)[0]


def hash_of(value: str) -> str:
    """The hash in a parameter's value; "" if it has none.

    >>> hash_of("maps#sha256=12ab"), hash_of("maps")
    ('12ab', '')
    """
    return value.partition(MARK)[2]


def pinned(value: str) -> str:
    """A parameter's value with the hash of what is there now, unless it has one.

    Raises:
        OSError: if there is nothing, or it cannot be read.
    """
    if not value or hash_of(value):
        return value
    return f"{value}{MARK}{_content_hash(_found(value, Expected()))}"


def find_pinned(value: str) -> Path:
    """The file or folder that a parameter names, fetched if need be, its content checked.

    Raises:
        OSError: if it is not there, or cannot be had.
        ValueError: if the value has no hash, or the content has another; says what to write.
    """
    location, wanted = location_of(value), hash_of(value)
    if redacted(location) != location:
        raise ValueError(
            f"{redacted(location)} has credentials with it, which git, dvc.lock and MLflow would "
            "keep; give a file that was fetched, or leave them to ~/.netrc or AWS's environment"
        )
    if not wanted:
        raise ValueError(
            f"{value} needs the hash of its content, {value}{MARK}...; "
            "`python -m pipelines.params` writes it into params.yaml"
        )
    # what is fetched is held to its hash on the way
    is_fetched = isinstance(parse_location(location), HttpFile | S3Object)
    path = _found(location, Expected(sha256=wanted) if is_fetched else Expected())
    if not is_fetched and (there := _content_hash(path)) != wanted:
        raise ValueError(
            f"{location} has changed: its sha256 is {there} and params.yaml has {wanted}; bring "
            f"the old content back, or set it to {location} without a hash and run "
            "`python -m pipelines.params`, which writes the new one"
        )
    return path


def _found(location: str, expected: Expected) -> Path:
    """Where a location's content is; a relative path may be one of the repository."""
    match parse_location(location):
        case LocalFile(path=path):
            # a run works in a clone, which lacks what git does not have
            places = [path, Path(os.environ.get(REPOSITORY, "")) / path]
            if place := next((one for one in places if one.exists()), None):
                return place
            raise FileNotFoundError(f"{location}: there is no such file or folder")
        case _:
            return located(Origin(uri=location, expected=expected), Manner())


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents in a folder; hidden files do not count."""
    if path.is_file():
        return sha256_of(path)
    names = sorted(
        name
        for file in path.rglob("*")
        if file.is_file() and not any(part[0] == "." for part in file.relative_to(path).parts)
        for name in [file.relative_to(path).as_posix()]
    )
    hashes = {}
    with ThreadPoolExecutor() as pool, progress(f"hash {path}", len(names)) as advance:
        found = pool.map(lambda name: sha256_of(path / name), names)
        for number, (name, content) in enumerate(zip(names, found, strict=True), start=1):
            hashes[name] = content
            advance(number, name)
    return record_hash(hashes)
