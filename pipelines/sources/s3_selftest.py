"""Self-test of an S3 server: writes, reads and compares what the pipeline needs."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.sources.errors import HostError
from pipelines.sources.locations import S3Object
from pipelines.sources.s3 import address, make_client, readable_errors, s3_client

SMALL = 64 * 1024
PART = 5 * 1024 * 1024
"""Smallest part, in bytes, of a multipart upload."""
ADVICE = (
    "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required, which DVC and MLflow read, too"
)


def probe(prefix: S3Object) -> Iterator[str]:
    """Test a server below a prefix, where nothing remains; yields a line for each check.

    Raises:
        HostError: if a check fails.
    """
    client = s3_client()
    yield f"endpoint {client.meta.endpoint_url}"
    key = f"{prefix.key.rstrip('/')}/.esrgan-probe-{secrets.token_hex(8)}".lstrip("/")
    location = S3Object(bucket=prefix.bucket, key=key)
    where = address(location)
    try:
        with readable_errors(location):
            content = secrets.token_bytes(SMALL)
            client.put_object(**where, Body=content)
            _compare(location, content)
            yield f"reads back an object of {SMALL // 1024} KiB"
            rest = client.get_object(**where, Range=f"bytes={SMALL // 2}-")["Body"].read()
            if rest != content[SMALL // 2 :]:
                raise HostError(f"{location}: a range has another content than was written")
            yield "reads back a range"
            content = secrets.token_bytes(PART + SMALL)
            parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
            client.upload_fileobj(BytesIO(content), **where, Config=parts)
            _compare(location, content)
            yield "reads back an object of two parts"
            yield _try_checksum_headers(location)
    finally:
        with suppress(BotoCoreError, ClientError):
            client.delete_object(**where)


def _compare(location: S3Object, content: bytes) -> None:
    if s3_client().get_object(**address(location))["Body"].read() != content:
        raise HostError(f"{location}: it has another content than was written")


def _try_checksum_headers(location: S3Object) -> str:
    content = b"checked"
    try:
        make_client("when_supported").put_object(**address(location), Body=content)
        _compare(location, content)
    except (ClientError, HostError) as error:
        return f"rejects checksum headers ({error}); {ADVICE}"
    return "accepts checksum headers"
