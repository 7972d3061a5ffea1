"""S3 and compatible servers: listing, small texts, uploads, and resumable downloads.

All functions raise `HostError`, which names the object and the remedy.
Endpoint, region and credentials come from the environment (`AWS_ENDPOINT_URL`,
`AWS_ACCESS_KEY_ID`, ...) and the files in `~/.aws`, as for every AWS tool.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from esrgan_core.io.folder import SUFFIXES, Report, report_left_out
from pipelines.config.errors import UserError
from pipelines.runtime.disk import require_disk_space
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import BusyHostError, ChangedError, CutError, HostError, StoppedError
from pipelines.sources.locations import Location, RemoteFile, S3Object
from pipelines.sources.transfer import (
    CHUNK,
    TransferOptions,
    discard,
    partial_size,
    read_note,
    transfer,
    write_note,
)

ConnectionErrors = (BotoCoreError, urllib3.exceptions.HTTPError)


class MissingObjectError(HostError):
    """The object or the bucket does not exist."""


@lru_cache(maxsize=1)
def s3_client() -> Any:
    """Client for the endpoint of the environment, shared by all threads."""
    client = make_client()
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    # older S3-compatible servers reject the checksum headers that boto3 sends by default
    return client if host.endswith(".amazonaws.com") else make_client("when_required")


def make_client(checksums: Literal["when_supported", "when_required"] | None = None) -> Any:
    """New client; `checksums` overrides when it sends and verifies checksum headers."""
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=30,
        max_pool_connections=16,
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
    )
    try:
        return boto3.session.Session().client("s3", config=config)
    except (ProfileNotFound, ValueError) as error:
        raise HostError(f"S3 cannot be used: {error}") from error


def address(location: S3Object) -> dict[str, str]:
    """Arguments of boto3 that name an object."""
    return {"Bucket": location.bucket, "Key": location.key}


Listed = tuple[str, RemoteFile]
"""(key relative to the listed prefix, object with its size and ETag)."""


def list_objects(prefix: S3Object) -> Iterator[Listed]:
    """List the objects below a prefix, which is read as a folder, or the object with that key."""
    pages = s3_client().get_paginator("list_objects_v2")
    folder = f"{prefix.key.rstrip('/')}/" if prefix.key else ""
    with readable_errors(prefix):
        for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
            for found in page.get("Contents", []):
                key = found["Key"]
                if key == prefix.key:
                    path = key.rpartition("/")[2]
                elif key.startswith(folder):
                    path = key.removeprefix(folder).lstrip("/")
                else:
                    continue  # a sibling such as prefix-2/
                location = S3Object(bucket=prefix.bucket, key=key)
                expected = ExpectedFile(bytes=found["Size"])
                yield path, RemoteFile(location=location, expected=expected, version=found["ETag"])


def select_images(listed: Iterable[Listed], report: Report) -> list[Listed]:
    """The images of a listing by suffix; `report` gets a line about other files, as in folders.

    A key that is not a plain path is a UserError.
    """
    images, other = list[Listed](), list[str]()
    for path, found in listed:
        if PurePosixPath(path).suffix.lower() in SUFFIXES:
            check_key(found.location, path)
            images.append((path, found))
        elif not path.endswith("/") and "/." not in f"/{path}":
            other.append(str(found.location))
    report_left_out(report, other, "not an image by its suffix")
    return images


def check_key(location: Location, path: str) -> None:
    """Raise a UserError unless `path` is a relative path, which cannot lead out of a folder."""
    plain = PurePosixPath("/", path).relative_to("/")
    if path != str(plain) or ".." in plain.parts:
        raise UserError(f"{location}: the key is not a plain path; rename the object")


def upload(path: Path, location: S3Object) -> None:
    """Upload a file, completely or not at all."""
    with readable_errors(location):
        s3_client().upload_file(str(path), location.bucket, location.key)


def download(location: S3Object, path: Path) -> None:
    """Download an object, completely or not at all; nothing is resumed."""
    with readable_errors(location):
        s3_client().download_file(location.bucket, location.key, str(path))


def put_text(text: str, location: S3Object) -> None:
    """Write a short text."""
    with readable_errors(location):
        s3_client().put_object(**address(location), Body=text.encode())


def get_text(location: S3Object) -> str | None:
    """Read a short text; None if the object does not exist."""
    with suppress(MissingObjectError), readable_errors(location):
        return str(s3_client().get_object(**address(location))["Body"].read().decode())
    return None


def object_size(location: S3Object) -> int | None:
    """Bytes of an object; None if it does not exist."""
    with suppress(MissingObjectError), readable_errors(location):
        return int(s3_client().head_object(**address(location))["ContentLength"])
    return None


def download_object(
    location: S3Object, part: Path, expected: ExpectedFile, options: TransferOptions
) -> None:
    """Write the whole object to `part`; a partial file there is continued.

    boto3's own downloads cannot be continued by another process. Raises the errors of
    `http.download`.
    """
    transfer(partial(_attempt, location, part, expected, options), part, expected, options)


def _attempt(
    location: S3Object, part: Path, expected: ExpectedFile, options: TransferOptions
) -> None:
    """Request the missing bytes and append them to `part`."""
    with readable_errors(location):
        head = s3_client().head_object(**address(location))
        etag, size = head["ETag"], int(head["ContentLength"])
        if expected.bytes and size != expected.bytes:
            raise HostError(f"{location} has {size} bytes, the catalog says {expected.bytes}")
        if read_note(part) != {"etag": etag, "bytes": size} or partial_size(part) > size:
            discard(part, options)
        offset = partial_size(part)
        require_disk_space({part.parent: size - offset})
        write_note(part, {"etag": etag, "bytes": size})
        part.touch()
        if offset == size:
            return
        where = address(location) | {"IfMatch": etag, "Range": f"bytes={offset}-"}
        body = s3_client().get_object(**where)["Body"]
    try:
        with closing(body), part.open("ab") as file:
            # raises an error if the body is shorter than announced
            for chunk in body.iter_chunks(CHUNK):
                if options.stop.is_set():
                    raise StoppedError
                file.write(chunk)
                options.on_bytes(len(chunk))
    except ConnectionErrors as error:
        raise CutError(f"{location}: {error}") from error


@contextmanager
def readable_errors(location: S3Object) -> Iterator[None]:
    """Turn errors of boto3 into errors that name the object and the remedy."""
    try:
        yield
    except (*ConnectionErrors, ClientError) as error:
        raise _translate(location, error) from error


def _translate(location: S3Object, error: Exception) -> Exception:
    endpoint = s3_client().meta.endpoint_url
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return HostError(
            f"{location}: no complete credentials for {endpoint}; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if not isinstance(error, ClientError):
        return BusyHostError(f"{location} at {endpoint}: {error}")
    code = str(error.response["Error"].get("Code", ""))
    match int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)):
        case 401 | 403:
            return HostError(
                f"{location}: {endpoint} refuses the credentials ({code}); check "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE, and their permissions"
            )
        case 404:
            return MissingObjectError(f"{location}: {endpoint} has no such object or bucket")
        case 412 | 416:
            return ChangedError(f"{location} changed since the partial download")
        case status:
            is_busy = status >= 500 or status == 429 or code in ("RequestTimeout", "SlowDown")
            kind = BusyHostError if is_busy else HostError
            return kind(f"{location}: {endpoint} answers {code or status}")
