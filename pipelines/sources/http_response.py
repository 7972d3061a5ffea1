"""Headers of an HTTP response to a request for a file or the rest of it."""

import re

import requests

from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import ChangedError, HostError

CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


def check_response(response: requests.Response, offset: int, expected: ExpectedFile) -> int:
    """Check that the body is the file, or the rest of it, uncompressed.

    The request was for the bytes from `offset`, or for the whole file if that is 0.

    Returns:
        Size of the whole file, 0 if the headers do not give it.

    Raises:
        ChangedError: if the body does not continue at `offset`.
        HostError: if it is not the expected file.
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


def validator(response: requests.Response) -> str:
    """Identifier of the content's version: a strong ETag, or the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
