"""Files from elsewhere, kept under the state root by their sha256, so that none comes twice.

sha256/<2 digits>/<sha256>   the content, read-only
addresses/<key>.json         which content an address gave that no sha256 is known of
partial/<key>                what has arrived of a file
locks/<key>                  held while a file is being fetched
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from esrgan_core.files import atomic_path, file_sha256, write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root
from pipelines.sources.checksums import WHOLE, ExpectedFile
from pipelines.sources.errors import HostError, StoppedError
from pipelines.sources.transfer import TransferOptions

SECONDS_BETWEEN_LOOKS = 0.5
Fetch = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """A folder of fetched files; several processes may use it at once."""

    root: Path

    def fetched(
        self, address: str, expected: ExpectedFile, options: TransferOptions, fetch: Fetch
    ) -> Path:
        """Path of the content that an address gives, fetched if it is not here.

        Args:
            address: where it is from.
            expected: what is known of it.
            options: whom to tell of a wish to stop.
            fetch: leaves it in a file, and goes on with what lies there.

        Raises:
            HostError: if no host gives it; says where to put the file by hand.
        """
        key = _key(address, expected)
        if found := self.present(address, expected):
            return found
        with _locked(self.root / "locks" / key, address, options.stop):
            if found := self.present(address, expected):
                return found
            part = self.root / "partial" / key
            try:
                fetch(part)
            except HostError as error:
                raise type(error)(f"{error}{self._by_hand(expected)}") from error
            return self._register(part, address)

    def missing(self, url: str, expected: ExpectedFile) -> int:
        """Bytes of a file that are still to come, by what is said of its size; a quick look."""
        if self._known(url, expected):
            return 0
        part = self.root / "partial" / _key(url, expected)
        return max(expected.bytes - (part.stat().st_size if part.exists() else 0), 0)

    def present(self, url: str, expected: ExpectedFile) -> Path | None:
        """Path of the content if it is here and whole; what is damaged is removed and said."""
        path = self._known(url, expected)
        if path is None:
            return None
        if not path.name.startswith(expected.sha256):
            return None  # the catalog asks for another content than this address gave
        # its name is its checksum, whether or not the catalog knows one
        if problem := ExpectedFile(sha256=path.name).problem(path):
            print(f"{path} is damaged ({problem}); it is fetched again", file=sys.stderr)
            path.unlink(missing_ok=True)
            return None
        return None if expected.problem(path, sha256=path.name) else path

    def forget(self, url: str) -> None:
        """Ask an address anew next time: what it gave, of which nothing was known, is no use."""
        (self.root / "addresses" / f"{_key(url, ExpectedFile())}.json").unlink(missing_ok=True)

    def _known(self, url: str, expected: ExpectedFile) -> Path | None:
        sha256 = expected.sha256
        if len(sha256) < WHOLE:
            try:
                note = self.root / "addresses" / f"{_key(url, expected)}.json"
                sha256 = from_json(note.read_text(encoding="utf-8"))["sha256"]
            except (OSError, ValueError, KeyError):
                return None
        path = self._place(sha256)
        return path if path.is_file() else None

    def _register(self, part: Path, url: str) -> Path:
        sha256 = file_sha256(part)
        path = self._place(sha256)
        with atomic_path(path) as temporary:
            part.replace(temporary)
            temporary.chmod(0o444)
        note = to_json({"url": redact(url), "sha256": sha256})
        write_text(self.root / "addresses" / f"{_key(url, ExpectedFile())}.json", note)
        return path

    def _place(self, sha256: str) -> Path:
        return self.root / "sha256" / sha256[:2] / sha256

    def _by_hand(self, expected: ExpectedFile) -> str:
        if len(expected.sha256) < WHOLE:
            return ""
        return f"; or get the file elsewhere and put it at {self._place(expected.sha256)}"


def shared_cache() -> Cache:
    """The cache of all clones that have this state root."""
    return Cache(root=state_root() / "sources")


def _key(url: str, expected: ExpectedFile) -> str:
    if len(expected.sha256) == WHOLE:
        return expected.sha256
    return hashlib.sha256(url.encode()).hexdigest()


@contextmanager
def _locked(path: Path, url: str, stop: Event) -> Iterator[None]:
    """Hold a lock; say for what, when it has to be waited for.

    Raises:
        StoppedError: if the waiting is to end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process fetches {redact(url)}; waiting for it", file=sys.stderr)
        while not lock.is_locked:
            if stop.is_set():
                raise StoppedError("stopped") from None
            with suppress(Timeout):
                lock.acquire(timeout=SECONDS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        lock.release()
