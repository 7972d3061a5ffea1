"""Download of a file over HTTP(S): resumed after a cut, from the first host that has it.

A note next to the partial file records its origin. A Range request resumes it.
"""

import re
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import requests
import urllib3

from pipelines.config.errors import causes
from pipelines.runtime.disk import require_disk_space
from pipelines.runtime.redaction import redact
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import (
    BusyError,
    BusyHostError,
    ChangedError,
    CutError,
    HostError,
    SlowError,
    StoppedError,
    UnreachableError,
)
from pipelines.sources.transfer import (
    CHUNK,
    TransferOptions,
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
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
FREE_SPACE = 1024 * 1024 * 1024
"""Bytes of disk that stay free; checked each time as many bytes have arrived."""


class _ThreadLocal(threading.local):
    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "esrgan-pipeline"


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
        host, retry = _host(url), options.retry
        if host in options.unreachable_hosts:
            retry = retry.new(total=0)
        attempt = partial(_attempt, url, part, expected, options)
        try:
            transfer(attempt, part, expected, replace(options, retry=retry))
        except HostError as error:
            if isinstance(error.__cause__, UnreachableError):
                options.unreachable_hosts.add(host)
            problems.append(f"{host or url}: {error}")
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
        total = _check_response(response, offset, expected)
        if response.status_code == 416:
            return
        # a strong ETag, or the date of the last change
        version = response.headers.get("ETag", "")
        if not version or version.startswith("W/"):
            version = response.headers.get("Last-Modified", "")
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
    """Response to a GET request."""
    try:
        response = _local.session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except (ValueError, requests.TooManyRedirects) as error:
        raise HostError(_reason(error)) from error  # the URL is wrong
    except requests.RequestException as error:
        raise UnreachableError(_reason(error)) from error
    options.unreachable_hosts.discard(_host(url))
    if response.status_code in options.retry.status_forcelist:
        response.close()
        seconds = None
        with suppress(urllib3.exceptions.InvalidHeader):
            seconds = options.retry.get_retry_after(response.raw)
        raise BusyError(f"it answers {response.status_code} {response.reason}", seconds)
    return response


def _check_response(response: requests.Response, offset: int, expected: ExpectedFile) -> int:
    """Check that the body is the file, or its rest from `offset`, uncompressed.

    Returns the size of the whole file, 0 if the headers do not give it.
    """
    status, headers = response.status_code, response.headers
    span = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    total = int(span[2]) if span and span[2] != "*" else 0
    if status == 416:
        if offset and total == offset:
            return total
        raise ChangedError("the remote file changed since the partial download")
    if status not in (200, 206):
        raise HostError(f"it answers {status} {response.reason}")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise HostError("it sends the file compressed")
    if status == 206:
        if not offset or not span or span[1] is None or int(span[1]) != offset:
            raise ChangedError("it sends another range than the requested one")
    else:
        length = headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else 0
    if expected.bytes and total and total != expected.bytes:
        raise HostError(f"its file has {total} bytes, the catalog says {expected.bytes}")
    return total


def _receive(response: requests.Response, part: Path, total: int, options: TransferOptions) -> None:
    """Append the body to `part`; a CutError if the file is not complete then."""
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
