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
from pipelines.sources.locations import RemoteFile
from pipelines.sources.transfer import TransferOptions, partial_size

Fetch = Callable[[Path, ExpectedFile, TransferOptions], None]
"""Writes a file, or continues the partial file there."""


def get_or_fetch(file: RemoteFile, options: TransferOptions, fetch: Fetch) -> Path:
    """Path of the content of a file, which is fetched if it is not in the cache.

    Raises:
        HostError: if no host supplies it; says where to put the file by hand.
    """
    if found := _find(file):
        return found
    with _lock(file, options.stop):
        if found := _find(file):
            return found
        part, sha256 = _root() / "partial" / _key(file), file.expected.sha256
        try:
            fetch(part, file.expected, options)
        except HostError as error:
            if len(sha256) < SHA256_DIGITS:
                raise
            path = _content_path(sha256)
            raise type(error)(f"{error}; or get the file elsewhere and put it at {path}") from error
        path = _content_path(sha256 := file_sha256(part))
        with atomic_path(path) as temporary:
            part.replace(temporary)
            temporary.chmod(0o444)
        write_text(_note_path(file), to_json({"url": redact(file.address), "sha256": sha256}))
        return path


def missing_bytes(file: RemoteFile) -> int:
    """Bytes that are still to be fetched, by the expected size."""
    if _locate(file):
        return 0
    return max(file.expected.bytes - partial_size(_root() / "partial" / _key(file)), 0)


def forget(file: RemoteFile) -> None:
    """Fetch a file again next time."""
    _note_path(file).unlink(missing_ok=True)


def _find(file: RemoteFile) -> Path | None:
    """Path of the content in the cache; a damaged file is removed with a message."""
    path = _locate(file)
    if path is None or not path.name.startswith(file.expected.sha256):
        return None
    if mismatch := ExpectedFile(sha256=path.name).mismatch(path):
        print(f"{path} is damaged ({mismatch}); fetching it again", file=sys.stderr)
        path.unlink(missing_ok=True)
        return None
    return None if file.expected.mismatch(path, sha256=path.name) else path


def _locate(file: RemoteFile) -> Path | None:
    sha256 = file.expected.sha256
    if len(sha256) < SHA256_DIGITS:
        try:
            sha256 = from_json(_note_path(file).read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError):
            return None
    path = _content_path(sha256)
    return path if path.is_file() else None


def _root() -> Path:
    """Folder that all clones with this state root share."""
    return state_root() / "sources"


def _content_path(sha256: str) -> Path:
    return _root() / "sha256" / sha256[:2] / sha256


def _note_path(file: RemoteFile) -> Path:
    return _root() / "addresses" / f"{_address_key(file)}.json"


def _key(file: RemoteFile) -> str:
    sha256 = file.expected.sha256
    return sha256 if len(sha256) == SHA256_DIGITS else _address_key(file)


def _address_key(file: RemoteFile) -> str:
    return hashlib.sha256(file.address.encode()).hexdigest()


def _lock(file: RemoteFile, stop: Event) -> AcquireReturnProxy[FileLock]:
    """Lock a file; a StoppedError if `stop` is set before another process releases it."""
    lock = FileLock(_root() / "locks" / _key(file))
    with suppress(Timeout):
        return lock.acquire(timeout=0)
    print(f"another process fetches {redact(file.address)}; waiting for it", file=sys.stderr)
    try:
        return lock.acquire(poll_interval=0.5, cancel_check=stop.is_set)
    except Timeout:
        raise StoppedError from None
