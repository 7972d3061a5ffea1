"""Files by their addresses on HTTP and S3, apart from the libraries that fetch them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpFile:
    """A file by its address."""

    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Object:
    """An object by its bucket and key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_s3(uri: str) -> S3Object:
    """The object that `s3://bucket/key` names; the key as it is, nothing in it is escaped.

    Raises:
        ValueError: if it names no bucket.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise ValueError(f"{uri} is no s3://bucket/key")
    return S3Object(bucket=bucket, key=key)
