"""HTTP(S): a file fetched whole, however often the link is cut, from the first host that has it.

What has arrived lies in a partial file, with a note beside it of where it came from. It is
continued by a Range request; every answer to one is checked before a byte of it is believed.
"""

import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import requests
import urllib3

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.errors import UserError
from pipelines.runtime.disk import require_disk_space
from pipelines.runtime.redaction import redact
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import (
    BusyHostError,
    ChangedError,
    HostError,
    SlowError,
    StoppedError,
    TransientSourceError,
    WrongRangeError,
)
from pipelines.sources.http_response import total_of, validator_of
from pipelines.sources.transfer import CHUNK, TransferOptions, forget, note_of, size_of

TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and without a byte."""
LEAST_PACE = 1024
"""Bytes per second, below which a host counts as cutting the link."""
ROOM = 1024 * 1024 * 1024
"""Bytes of disk that must stay free while a file comes, and after which that is looked at."""
WRONG_ADDRESSES = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Origin:
    """Where a partial file came from."""

    url: str = ""
    validator: str = ""
    """A strong ETag, or the date of the last change."""
    total: int = 0


def download(urls: list[str], part: Path, expected: ExpectedFile, options: TransferOptions) -> None:
    """Leave the whole file at `part`; go on with what an earlier call left there.

    Args:
        urls: the address and its mirrors, tried in this order.
        part: the file to fill.
        expected: what is known of it.
        options: retry, and whom to tell.

    Raises:
        HostError: if no host gives what is expected; says what each did.
        StoppedError: if `options.stop` is set; what has arrived stays.
        UserError: if it does not fit on the disk.
    """
    problems, busy = [], False
    for url in urls:
        try:
            continued = part.exists() and part.stat().st_size > 0
            _from_host(url, part, expected, options)
            problem = expected.problem(part)
            if problem and continued:
                # what was there before may be what is wrong
                forget(part, options)
                _from_host(url, part, expected, options)
                problem = expected.problem(part)
            if not problem:
                note_of(part).unlink(missing_ok=True)
                return
            forget(part, options)
        except HostError as error:
            problem = str(error)
            busy |= isinstance(error, BusyHostError)
        problems.append(f"{_host_of(url) or url}: {problem}")
    raise (BusyHostError if busy else HostError)("; ".join(problems))


def _from_host(url: str, part: Path, expected: ExpectedFile, options: TransferOptions) -> None:
    """Ask one host until the file is whole, or nothing more comes."""
    part.parent.mkdir(parents=True, exist_ok=True)
    most, failures, ranges = size_of(part), 0, True
    host = _host_of(url)
    tries = 1 if host in options.unreachable_hosts else options.retry.tries
    while not options.stop.is_set():
        wait, answered, slow = options.retry.wait(failures), True, False
        try:
            if _attempt(url, part, expected, options, ranges=ranges):
                options.unreachable_hosts.discard(host)
                return
            problem = "the link was cut"
        except WrongRangeError as error:
            ranges, problem = False, str(error)
        except ChangedError as error:
            forget(part, options)
            problem = str(error)
        except SlowError as error:
            problem, slow = str(error), True
        except TransientSourceError as error:
            problem, wait = str(error), max(wait, error.wait)
        except UserError:
            raise
        except (*WRONG_ADDRESSES, ValueError) as error:
            raise HostError(_plain(error)) from error
        except NETWORK_ERRORS as error:
            problem, answered = _plain(error), not isinstance(error, requests.ConnectionError)
        if size_of(part) > most and not slow:
            most, failures = size_of(part), 0
        else:
            failures += 1
            if failures >= tries:
                if not answered:
                    options.unreachable_hosts.add(host)
                raise BusyHostError(f"{problem}, {failures} times")
            options.stop.wait(wait)
    raise StoppedError("stopped")


def _attempt(
    url: str, part: Path, expected: ExpectedFile, options: TransferOptions, *, ranges: bool
) -> bool:
    """Send one request and keep what comes; whether the file is whole now."""
    origin = _origin_of(part)
    # another signature in the address makes no other file
    same_host = origin.url == redact(url) and bool(origin.validator)
    offset = size_of(part)
    # bytes of one host may only be continued by another's if a checksum tells in the end
    if offset and not (ranges and (same_host or expected.pinned)):
        forget(part, options)
        offset = 0
    if expected.bytes and offset == expected.bytes:
        return True
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if same_host:
            headers["If-Range"] = origin.validator
    with _session().get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        total = total_of(response, offset, expected)
        if response.status_code == 416:
            return True
        found = _Origin(url=redact(url), validator=validator_of(response), total=total)
        if response.status_code == 206:
            # a 206 may leave out what was said before
            changed = same_host and found.validator not in ("", origin.validator)
            if not found.validator:
                found = replace(found, validator=origin.validator)
            if changed or (origin.total and total and total != origin.total):
                raise ChangedError("the file changed while it was being fetched")
        else:
            forget(part, options)
            offset = 0
        require_disk_space({part.parent: total - offset})
        write_text(note_of(part), to_json(asdict(found)))
        return _receive(response, part, total or expected.bytes, options)


def _receive(response: requests.Response, part: Path, total: int, options: TransferOptions) -> bool:
    """Append what comes; whether the file is whole then."""
    with part.open("ab") as file:
        began, before = monotonic(), file.tell()
        roomy = before + ROOM
        # what is there already, however little: a slow host must not hide a wish to stop
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            if options.stop.is_set():
                raise StoppedError("stopped")
            file.write(chunk)
            if monotonic() - began > TIMEOUT[1]:
                if file.tell() - before < LEAST_PACE * TIMEOUT[1]:
                    raise SlowError(f"it sends less than {LEAST_PACE} bytes per second")
                began, before = monotonic(), file.tell()
            if file.tell() > roomy:
                # the size may be unknown
                require_disk_space({part.parent: ROOM})
                roomy = file.tell() + ROOM
            options.on_bytes(len(chunk))
            if total and file.tell() > total:
                raise HostError(f"it sends more than the {total} bytes that the file has")
    return not total or size_of(part) == total


def _host_of(url: str) -> str:
    """Host and port, without a name and a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _origin_of(part: Path) -> _Origin:
    try:
        return _Origin(**from_json(note_of(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return _Origin()


def _plain(error: Exception) -> str:
    """The innermost reason of a network error: the libraries wrap it several times."""
    while (inner := error.__cause__ or error.__context__) and isinstance(inner, Exception):
        error = inner
    return str(error) or type(error).__name__


_of_thread = threading.local()


def _session() -> requests.Session:
    if not hasattr(_of_thread, "session"):
        _of_thread.session = requests.Session()
        _of_thread.session.headers["User-Agent"] = "esrgan-pipeline"
    session: requests.Session = _of_thread.session
    return session
