"""Download of a file over HTTP(S): resumed after a cut, from the first host that has it.

A note next to the partial file records its origin. A Range request resumes it.
"""

import threading
from functools import partial
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pipelines.runtime.disk import require_disk_space
from pipelines.runtime.errors import causes
from pipelines.runtime.redaction import redact
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import (
    BusyHostError,
    ChangedError,
    CutError,
    HostError,
    SlowError,
    StoppedError,
)
from pipelines.sources.http_response import check_response, validator
from pipelines.sources.transfer import (
    CHUNK,
    TransferOptions,
    attempts,
    discard,
    partial_size,
    read_note,
    transfer,
    write_note,
)

TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and between two bytes."""
MIN_SPEED = 1024
"""Bytes per second, below which an attempt fails."""
FREE_SPACE = 1024 * 1024 * 1024
"""Bytes of disk that stay free; checked each time as many bytes have arrived."""


class _StoppableRetry(Retry):
    """Retries whose waits end when the transfer of this thread is stopped."""

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait as long as the host asks for, or with exponential backoff."""
        retry_after = self.get_retry_after(response) if response else None
        if _local.stop.wait(retry_after or self.get_backoff_time()):
            raise StoppedError


class _ThreadLocal(threading.local):
    def __init__(self) -> None:
        self.stop = threading.Event()
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "esrgan-pipeline"
        self.adapter = HTTPAdapter()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, self.adapter)


_local = _ThreadLocal()


def download(urls: list[str], part: Path, expected: ExpectedFile, options: TransferOptions) -> None:
    """Write the whole file to `part`; a partial file there is continued.

    `urls` are the address and its mirrors, tried in this order.

    Raises:
        HostError: if no host supplies what is expected; gives the reason for each host.
        StoppedError: if `options.stop` is set; the partial file stays.
        UserError: if it does not fit on the disk.
    """
    problems, is_busy = [], False
    for url in urls:
        try:
            transfer(partial(_attempt, url, part, expected, options), part, expected, options)
        except HostError as error:
            problems.append(f"{_host(url) or url}: {error}")
            is_busy |= isinstance(error, BusyHostError)
        else:
            return
    raise (BusyHostError if is_busy else HostError)("; ".join(problems))


def _attempt(url: str, part: Path, expected: ExpectedFile, options: TransferOptions) -> None:
    """Send one request and append the body to `part`."""
    note = read_note(part)
    known, known_total = note.get("validator", ""), note.get("total", 0)
    # another signature in the URL does not change the file
    is_same = note.get("url") == redact(url) and bool(known)
    offset = partial_size(part)
    # the bytes of two hosts may be joined only if a checksum verifies the result
    if offset and not (is_same or expected.is_pinned):
        discard(part, options)
        offset = 0
    if expected.bytes and offset == expected.bytes:
        return
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if is_same:
            headers["If-Range"] = known
    with _get(url, headers, options) as response:
        total = check_response(response, offset, expected)
        if response.status_code == 416:
            return
        version = validator(response)
        if response.status_code == 206:
            # a 206 response may omit the validator
            version = version or known
            if (is_same and version != known) or (known_total and total not in (0, known_total)):
                raise ChangedError("the remote file changed since the partial download")
        else:
            discard(part, options)
            offset = 0
        require_disk_space({part.parent: total - offset})
        write_note(part, {"url": redact(url), "validator": version, "total": total})
        _receive(response, part, total or expected.bytes, options)


def _get(url: str, headers: dict[str, str], options: TransferOptions) -> requests.Response:
    """Response to a GET request, which is repeated while the host does not answer or is busy."""
    host, retry = _host(url), options.retry
    if host in options.unreachable_hosts:
        retry = retry.new(total=0)
    _local.adapter.max_retries, _local.stop = _StoppableRetry(**vars(retry)), options.stop
    try:
        response = _local.session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except (ValueError, requests.TooManyRedirects) as error:
        raise HostError(_reason(error)) from error  # the URL is wrong
    except requests.RequestException as error:
        options.unreachable_hosts.add(host)
        raise BusyHostError(f"{_reason(error)}, {attempts(retry)} times") from error
    options.unreachable_hosts.discard(host)
    if response.status_code in retry.status_forcelist:
        response.close()
        raise BusyHostError(
            f"it answers {response.status_code} {response.reason}, {attempts(retry)} times"
        )
    return response


def _receive(response: requests.Response, part: Path, total: int, options: TransferOptions) -> None:
    """Append the body to `part`.

    Raises:
        CutError: if the file is not complete then.
    """
    with part.open("ab") as file:
        start, before = monotonic(), file.tell()
        next_check = before + FREE_SPACE
        try:
            # read1 returns what has arrived, so that a slow host does not delay a stop
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                if options.stop.is_set():
                    raise StoppedError
                file.write(chunk)
                if monotonic() - start > TIMEOUT[1]:
                    if file.tell() - before < MIN_SPEED * TIMEOUT[1]:
                        raise SlowError(f"it sends less than {MIN_SPEED} bytes per second")
                    start, before = monotonic(), file.tell()
                if file.tell() > next_check:
                    # the size may be unknown
                    require_disk_space({part.parent: FREE_SPACE})
                    next_check = file.tell() + FREE_SPACE
                options.on_bytes(len(chunk))
                if total and file.tell() > total:
                    raise HostError(f"it sends more than the {total} bytes of the file")
        except urllib3.exceptions.HTTPError as error:
            raise CutError(_reason(error)) from error
    if total and partial_size(part) < total:
        raise CutError("the connection was cut")


def _host(url: str) -> str:
    """Host and port without user name and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _reason(error: Exception) -> str:
    """Message of the innermost error; the libraries wrap it several times."""
    *_, innermost = causes(error)
    return str(innermost) or type(innermost).__name__
