"""Whether an S3 server does what the pipeline asks of it: put, get and compare."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.sources.errors import HostError
from pipelines.sources.locations import S3Object
from pipelines.sources.s3 import make_client, readable_errors, s3_client

SMALL = 64 * 1024
PART = 5 * 1024 * 1024
"""Bytes of the smallest part that S3 takes of a large object."""
ADVICE = (
    "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required, which DVC and MLflow heed, too"
)


def probe(prefix: S3Object) -> Iterator[str]:
    """Try everything out below a prefix, and leave nothing there; a line for each thing.

    Raises:
        HostError: if something does not work; says what.
    """
    client = s3_client()
    yield f"endpoint {client.meta.endpoint_url}"
    key = f"{prefix.key.rstrip('/')}/.esrgan-probe-{secrets.token_hex(8)}".lstrip("/")
    place = S3Object(bucket=prefix.bucket, key=key)
    where = {"Bucket": place.bucket, "Key": place.key}
    try:
        with readable_errors(place):
            content = secrets.token_bytes(SMALL)
            client.put_object(**where, Body=content)
            _compare(place, content)
            yield f"an object of {SMALL // 1024} KiB came back with its sha256"
            rest = client.get_object(**where, Range=f"bytes={SMALL // 2}-")["Body"].read()
            if rest != content[SMALL // 2 :]:
                raise HostError(f"{place}: a range of it comes back as something else")
            yield "a range of it came back right"
            content = secrets.token_bytes(PART + SMALL)
            parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
            client.upload_fileobj(BytesIO(content), **where, Config=parts)
            _compare(place, content)
            yield "an object in two parts came back with its sha256"
            yield _checksum_headers(place)
    finally:
        with suppress(BotoCoreError, ClientError):
            client.delete_object(**where)


def _compare(place: S3Object, content: bytes) -> None:
    body = s3_client().get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
    if hashlib.sha256(body).digest() != hashlib.sha256(content).digest():
        raise HostError(f"{place}: it comes back with another sha256")


def _checksum_headers(place: S3Object) -> str:
    content = b"checked"
    try:
        client = make_client("when_supported")
        client.put_object(Bucket=place.bucket, Key=place.key, Body=content)
        _compare(place, content)
    except (ClientError, HostError) as error:
        return f"checksum headers are refused ({error}); {ADVICE}"
    return "checksum headers are taken"
