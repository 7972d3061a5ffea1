"""Cache of fetched files under the state root, by sha256.

sha256/<2 digits>/<sha256>   the content, read-only
addresses/<key>.json         sha256 of the content of an address
partial/<key>                partial download
locks/<key>                  held during a download
"""

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event

from filelock import AcquireReturnProxy, FileLock, Timeout

from esrgan_core.files import atomic_path, file_sha256, write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root
from pipelines.sources.checksums import SHA256_DIGITS, ExpectedFile
from pipelines.sources.errors import HostError, StoppedError
from pipelines.sources.transfer import TransferOptions, partial_size

POLL_SECONDS = 0.5
Fetch = Callable[[Path, ExpectedFile, TransferOptions], None]
"""Writes a file, or continues the partial file there."""


def get_or_fetch(
    address: str, expected: ExpectedFile, options: TransferOptions, fetch: Fetch
) -> Path:
    """Path of the content of an address, which is fetched if it is not in the cache.

    Raises:
        HostError: if no host supplies it; says where to put the file by hand.
    """
    if found := _find(address, expected):
        return found
    key = _key(address, expected)
    with _lock(_root() / "locks" / key, address, options.stop):
        if found := _find(address, expected):
            return found
        part = _root() / "partial" / key
        try:
            fetch(part, expected, options)
        except HostError as error:
            if len(expected.sha256) < SHA256_DIGITS:
                raise
            path = _content_path(expected.sha256)
            raise type(error)(f"{error}; or get the file elsewhere and put it at {path}") from error
        return _add(part, address)


def missing_bytes(address: str, expected: ExpectedFile) -> int:
    """Bytes that are still to be fetched, by the expected size."""
    if _locate(address, expected):
        return 0
    return max(expected.bytes - partial_size(_root() / "partial" / _key(address, expected)), 0)


def forget(address: str) -> None:
    """Fetch the content of an address again next time."""
    _note_path(address).unlink(missing_ok=True)


def _find(address: str, expected: ExpectedFile) -> Path | None:
    """Path of the content in the cache; a damaged file is removed with a message."""
    path = _locate(address, expected)
    if path is None or not path.name.startswith(expected.sha256):
        return None
    if mismatch := ExpectedFile(sha256=path.name).mismatch(path):
        print(f"{path} is damaged ({mismatch}); fetching it again", file=sys.stderr)
        path.unlink(missing_ok=True)
        return None
    return None if expected.mismatch(path, sha256=path.name) else path


def _locate(address: str, expected: ExpectedFile) -> Path | None:
    sha256 = expected.sha256
    if len(sha256) < SHA256_DIGITS:
        try:
            sha256 = from_json(_note_path(address).read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError):
            return None
    path = _content_path(sha256)
    return path if path.is_file() else None


def _add(part: Path, address: str) -> Path:
    path = _content_path(sha256 := file_sha256(part))
    with atomic_path(path) as temporary:
        part.replace(temporary)
        temporary.chmod(0o444)
    write_text(_note_path(address), to_json({"url": redact(address), "sha256": sha256}))
    return path


def _root() -> Path:
    """Folder that all clones with this state root share."""
    return state_root() / "sources"


def _content_path(sha256: str) -> Path:
    return _root() / "sha256" / sha256[:2] / sha256


def _note_path(address: str) -> Path:
    return _root() / "addresses" / f"{_key(address)}.json"


def _key(address: str, expected: ExpectedFile | None = None) -> str:
    if expected and len(expected.sha256) == SHA256_DIGITS:
        return expected.sha256
    return hashlib.sha256(address.encode()).hexdigest()


def _lock(path: Path, address: str, stop: Event) -> AcquireReturnProxy[FileLock]:
    """Acquire a lock; a StoppedError if `stop` is set before another process releases it."""
    lock = FileLock(path)
    with suppress(Timeout):
        return lock.acquire(timeout=0)
    print(f"another process fetches {redact(address)}; waiting for it", file=sys.stderr)
    try:
        return lock.acquire(poll_interval=POLL_SECONDS, cancel_check=stop.is_set)
    except Timeout:
        raise StoppedError from None
