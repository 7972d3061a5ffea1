"""What the head of an HTTP answer says about a file that is fetched in parts."""

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time

import requests

from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import ChangedError, HostError, TransientSourceError, WrongRangeError
from pipelines.sources.transfer import LONGEST_WAIT

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be others a little later."""


def total_of(response: requests.Response, offset: int, expected: ExpectedFile) -> int:
    """Size of the whole file, 0 if the answer does not say it.

    Args:
        response: to a request for the bytes from `offset` on, or for the file if that is 0.
        offset: bytes that are here already.
        expected: what is known of the file.

    Raises:
        TransientSourceError: if the host is busy or troubled.
        WrongRangeError: if it sends another range.
        ChangedError: if it has no such range.
        HostError: if it does not have the file that is expected.
    """
    status = response.status_code
    if status in TRANSIENT:
        raise TransientSourceError(f"it answers {status} {response.reason}", _retry_after(response))
    span = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip()
    )
    total = int(span[2]) if span and span[2] != "*" else 0
    if status == 416:
        if offset and total == offset:
            return total
        raise ChangedError("what had arrived is no part of what it has now")
    if status not in (200, 206):
        raise HostError(f"it answers {status} {response.reason}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise HostError("it sends the file compressed, which was not asked for")
    if status == 206:
        if not offset or not span or span[1] is None or int(span[1]) != offset:
            raise WrongRangeError("it sends another range than the one asked for")
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else 0
    if expected.bytes and total and total != expected.bytes:
        raise HostError(f"it has a file of {total} bytes, not the {expected.bytes} of the catalog")
    return total


def validator_of(response: requests.Response) -> str:
    """What tells this content from a later one: a strong ETag, or the date of its last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _retry_after(response: requests.Response) -> float:
    text = response.headers.get("Retry-After", "")
    with suppress(ValueError):
        seconds = (
            float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time()
        )
        return min(max(seconds, 0.0), LONGEST_WAIT)
    return 0.0
