"""S3 and its likes: an object fetched whole, resumed by ranges, held to the version it began with.

Endpoint, region and credentials come from where every AWS tool looks for them: the environment
(`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, ...) and the files in `~/.aws`.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar
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

from esrgan_core.files import write_text
from esrgan_core.strict_json import from_json, to_json
from pipelines.runtime.disk import require_disk_space
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.errors import BusyHostError, ChangedError, HostError, StoppedError
from pipelines.sources.locations import S3Object
from pipelines.sources.transfer import CHUNK, TransferOptions, forget, note_of, size_of

CHECKSUM_SETTINGS = ("request_checksum_calculation", "response_checksum_validation")
Answer = TypeVar("Answer")
Checksums = Literal["when_supported", "when_required"]
TRANSIENT = frozenset({"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "429"})
CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "401", "403"}
)
GONE = frozenset({"NoSuchKey", "NoSuchBucket", "404"})
CHANGED = frozenset({"PreconditionFailed", "InvalidRange", "412", "416"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedObject:
    """An object of a listing."""

    location: S3Object
    path: str
    """Its key below the prefix."""
    bytes: int
    etag: str
    """Of its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    """Which content of an object a partial file is of."""

    etag: str
    bytes: int


@lru_cache(maxsize=1)
def s3_client() -> Any:
    """A client for the endpoint of the environment, for all threads.

    Raises:
        HostError: if the environment names a profile that is not there.
    """
    client = make_client()
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    # S3-alikes of before 2025 refuse the checksum headers that are sent by default since
    return client if host.endswith(".amazonaws.com") else make_client("when_required")


def make_client(checksums: Checksums | None = None) -> Any:
    """A client of its own; `checksums` says when it sends and wants them, else the environment."""
    given = {} if checksums is None else dict.fromkeys(CHECKSUM_SETTINGS, checksums)
    config = Config(
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=10,
        read_timeout=30,
        max_pool_connections=16,
        **given,
    )
    try:
        return boto3.session.Session().client("s3", config=config)
    except (ProfileNotFound, ValueError) as error:
        raise HostError(f"S3 cannot be used: {error}") from error


def list_objects(prefix: S3Object) -> Iterator[ListedObject]:
    """The objects below a prefix as below a folder, or the one of just that key, page by page.

    Raises:
        HostError: if they cannot be listed; says why.
    """
    pages = s3_client().get_paginator("list_objects_v2")
    folder = f"{prefix.key.rstrip('/')}/" if prefix.key else ""
    with readable_errors(prefix):
        for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
            for one in page.get("Contents", []):
                place = S3Object(bucket=prefix.bucket, key=one["Key"])
                if place == prefix:
                    inside = place.key.rpartition("/")[2]
                elif place.key.startswith(folder):
                    inside = place.key.removeprefix(folder).lstrip("/")
                else:
                    continue  # it only begins with the same letters
                yield ListedObject(
                    location=place, path=inside, bytes=int(one["Size"]), etag=str(one["ETag"])
                )


def check_key(one: ListedObject) -> None:
    """Refuse an object whose key would lead out of a folder, or to another place in it.

    Raises:
        ValueError: naming it.
    """
    plain = str(PurePosixPath("/", one.path).relative_to("/"))
    if one.path != plain or ".." in one.path.split("/"):
        raise ValueError(f"{one.location} has a key that is no path; rename it")


def upload(path: Path, place: S3Object) -> None:
    """Put a file's content there, whole or not at all.

    Raises:
        HostError: if it cannot be put; says why.
    """
    with readable_errors(place):
        s3_client().upload_file(str(path), place.bucket, place.key)


def put_text(text: str, place: S3Object) -> None:
    """Put a short text there.

    Raises:
        HostError: if it cannot be put; says why.
    """
    with readable_errors(place):
        s3_client().put_object(Bucket=place.bucket, Key=place.key, Body=text.encode())


def get_text(place: S3Object) -> str | None:
    """A short text; None if there is no such object.

    Raises:
        HostError: if that cannot be told; says why.
    """
    return _unless_gone(lambda: _body(place), place)


def object_size(place: S3Object) -> int | None:
    """Size of an object; None if there is none.

    Raises:
        HostError: if that cannot be told; says why.
    """
    where = {"Bucket": place.bucket, "Key": place.key}
    return _unless_gone(lambda: int(s3_client().head_object(**where)["ContentLength"]), place)


def _body(place: S3Object) -> str:
    answer = s3_client().get_object(Bucket=place.bucket, Key=place.key)
    with closing(answer["Body"]) as body:
        return str(body.read().decode())


def _unless_gone(ask: Callable[[], Answer], place: S3Object) -> Answer | None:
    try:
        with readable_errors(place):
            return ask()
    except HostError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and str(cause.response["Error"].get("Code")) in GONE:
            return None
        raise


def download_object(
    place: S3Object, part: Path, expected: ExpectedFile, options: TransferOptions
) -> None:
    """Leave the whole object at `part`; go on with what an earlier call left there.

    Raises:
        HostError: if it cannot be had or is not what is expected; says why.
        StoppedError: if `options.stop` is set; what has arrived stays.
        OSError: if it does not fit on the disk.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    most, failures = size_of(part), 0
    while not options.stop.is_set():
        continued = size_of(part) > 0
        try:
            _attempt(place, part, expected, options)
        except ChangedError:
            forget(part, options)
            problem = "it changes while it is being fetched"
        except BusyHostError as error:
            problem = str(error)
        else:
            if not (wrong := expected.problem(part)):
                note_of(part).unlink(missing_ok=True)
                return
            forget(part, options)
            if not continued:
                raise HostError(f"{place}: {wrong}")
            # what was there before may be what is wrong
            problem = wrong
        if size_of(part) > most:
            most, failures = size_of(part), 0
        else:
            failures += 1
            if failures >= options.retry.tries:
                raise BusyHostError(f"{problem}, {failures} times")
            options.stop.wait(options.retry.wait(failures))
    raise StoppedError("stopped")


def _attempt(place: S3Object, part: Path, expected: ExpectedFile, options: TransferOptions) -> None:
    """Ask for what is not here yet, and keep what comes."""
    where = {"Bucket": place.bucket, "Key": place.key}
    with readable_errors(place):
        head = s3_client().head_object(**where)
        found = _Version(etag=head["ETag"], bytes=int(head["ContentLength"]))
        if expected.bytes and found.bytes != expected.bytes:
            raise HostError(
                f"{place} has {found.bytes} bytes, not the {expected.bytes} of the catalog"
            )
        if _version_of(part) != found or size_of(part) > found.bytes:
            forget(part, options)
        require_disk_space({part.parent: found.bytes - size_of(part)})
        write_text(note_of(part), to_json(asdict(found)))
        if (offset := size_of(part)) == found.bytes:
            part.touch()
            return
        answer = s3_client().get_object(
            **where, IfMatch=found.etag, **({"Range": f"bytes={offset}-"} if offset else {})
        )
        with closing(answer["Body"]) as body, part.open("ab") as file:
            for chunk in body.iter_chunks(CHUNK):
                if options.stop.is_set():
                    raise StoppedError("stopped")
                file.write(chunk)
                options.on_bytes(len(chunk))
    if size_of(part) < found.bytes:
        raise BusyHostError(f"{place}: the link was cut")


@contextmanager
def readable_errors(place: S3Object) -> Iterator[None]:
    """Turn whatever boto3 raises into an error that names the object and the remedy."""
    try:
        yield
    except (BotoCoreError, ClientError, urllib3.exceptions.HTTPError) as error:
        raise _plain(place, error) from error


def _plain(place: S3Object, error: Exception) -> Exception:
    endpoint = s3_client().meta.endpoint_url
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return HostError(
            f"{place}: no complete credentials for {endpoint}; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if not isinstance(error, ClientError):
        return BusyHostError(f"{place} at {endpoint}: {error}")
    code = str(error.response["Error"].get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in CREDENTIALS:
        return HostError(
            f"{place}: {endpoint} refuses the credentials ({code}); see AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_PROFILE, and what they may read"
        )
    if code in GONE:
        return HostError(f"{place}: {endpoint} has no such object or bucket")
    if code in CHANGED:
        return ChangedError(code)
    kind = BusyHostError if code in TRANSIENT or status >= 500 else HostError
    return kind(f"{place}: {endpoint} answers {code or status}")


def _version_of(part: Path) -> _Version | None:
    try:
        return _Version(**from_json(note_of(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
