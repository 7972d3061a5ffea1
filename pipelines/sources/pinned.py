"""Files and folders named by parameters with the hash of their content: `maps#sha256=...`.

DVC compares the values of parameters. The hash changes the value when the content changes, so that
every stage that reads the file runs again.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from esrgan_core.files import file_sha256
from esrgan_core.records import record_hash
from pipelines.config.errors import UserError
from pipelines.runtime.progress import track
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import REPOSITORY
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import (
    HttpFile,
    LocalFile,
    Location,
    RemoteFile,
    S3Object,
    parse_location,
)
from pipelines.sources.resolve import resolve
from pipelines.sources.transfer import TransferOptions

MARK = "#sha256="


def pinned_hash(value: str) -> str:
    """The hash in a parameter's value; "" if it has none.

    >>> pinned_hash("maps")
    ''

    Raises:
        UserError: if the hash is not a SHA-256.
    """
    return split_pinned(value)[1]


def pin(value: str) -> str:
    """Append the hash of the current content to a parameter's value that has none.

    Raises:
        UserError: if the content does not exist, or its hash is malformed.
        OSError: if it cannot be read.
    """
    if not value or pinned_hash(value):
        return value
    return f"{value}{MARK}{_content_hash(_find(value, ExpectedFile()))}"


def find_pinned(value: str) -> Path:
    """Local path of the file or folder of a parameter, with the content of its hash.

    Raises:
        UserError: if it does not exist, or has no hash or another content.
        OSError: if it cannot be read.
    """
    uri, expected = split_pinned(value)
    if redact(uri) != uri:
        raise UserError(
            f"{redact(uri)} has credentials with it, which git, dvc.lock and MLflow would store; "
            "give the path of a local copy, or put them into ~/.netrc or AWS's environment"
        )
    if not expected:
        raise UserError(
            f"{value} needs the hash of its content, {value}{MARK}...; "
            "`esrgan params` writes it into params.yaml"
        )
    if isinstance(_parse(uri), HttpFile | S3Object):
        return _find(uri, ExpectedFile(sha256=expected))
    path = _find(uri, ExpectedFile())
    if (found := _content_hash(path)) != expected:
        raise UserError(
            f"{uri} has changed: its sha256 is {found} and params.yaml has {expected}; restore "
            f"the old content, or set it to {uri} without a hash and run `esrgan params`, which "
            "writes the new one"
        )
    return path


def split_pinned(value: str) -> tuple[str, str]:
    """(URI or path, hash) of a parameter's value; the hash is "" if it has none.

    Raises:
        UserError: if the hash is not a SHA-256.
    """
    uri, mark, digest = value.partition(MARK)
    if mark and not re.fullmatch("[0-9a-f]{64}", digest):
        raise UserError(
            f"{redact(uri)}: {digest!r} is not a sha256 of 64 hex digits; name it without a "
            "hash and run `esrgan params`, which writes it"
        )
    return uri, digest


def _parse(uri: str) -> Location:
    """Location of a URI as in a catalog, or of a path, in which nothing is escaped."""
    return parse_location(uri) if "://" in uri else LocalFile(path=Path(uri))


def _find(uri: str, expected: ExpectedFile) -> Path:
    match _parse(uri):
        case LocalFile(path=path):
            # a run works in a clone, which lacks the files that git ignores
            for candidate in (path, Path(os.environ.get(REPOSITORY, "")) / path):
                if candidate.exists():
                    return candidate
            raise UserError(f"{uri}: no such file or folder")
        case location:
            return resolve(RemoteFile(location=location, expected=expected), TransferOptions())


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of the visible files in a folder."""
    if path.is_file():
        return file_sha256(path)
    names = sorted(file.relative_to(path).as_posix() for file in _list_files(path, frozenset()))
    if not names:
        raise UserError(f"{path} is a folder without files; add them, or name another folder")
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda name: file_sha256(path / name), names)
        return record_hash(dict(zip(names, track(f"hash {path}", digests, names), strict=True)))


def _list_files(folder: Path, parents: frozenset[Path]) -> Iterator[Path]:
    """Visible files below a folder; links are followed, except into a folder that has them."""
    parents |= {folder.resolve()}
    for path in folder.iterdir():
        if path.name[0] == ".":
            continue
        if path.is_dir() and path.resolve() not in parents:
            yield from _list_files(path, parents)
        elif path.is_file():
            yield path
