"""Locations of files: parsed from the URIs of catalogs and parameters, written back by `str`."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from pipelines.config.errors import UserError
from pipelines.sources.checksums import ExpectedFile


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A file within an importable Python package."""

    package: str
    resource: str

    def __str__(self) -> str:
        return f"wheel://{self.package}/{quote(self.resource)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalFile:
    """A file on this machine; a relative path starts at the root of the repository."""

    path: Path

    def __str__(self) -> str:
        return quote(str(self.path))


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpFile:
    """A file on a web server."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Object:
    """An object on S3 or a compatible server."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveMember:
    """A file within an archive, which is named as in its catalog."""

    archive: str
    member: str

    def __str__(self) -> str:
        return f"archive://{quote(self.archive)}/{quote(self.member)}"


Location = PackageFile | LocalFile | HttpFile | S3Object | ArchiveMember


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """Where a file comes from, and its expected content."""

    location: Location
    expected: ExpectedFile = field(default_factory=ExpectedFile)
    mirrors: tuple[str, ...] = ()
    """Other URLs of an HTTP file."""
    version: str = ""
    """Distinguishes contents of one location without checksum."""

    def __post_init__(self) -> None:
        if self.mirrors and not isinstance(self.location, HttpFile):
            raise UserError(f"{self.location}: only http and https files can have mirrors")

    @property
    def address(self) -> str:
        """Identifies it in the cache."""
        return f"{self.location} {self.version}".rstrip()


def parse_location(uri: str) -> Location:
    """Parse a URI of a catalog.

    `wheel://package/path/in/it`, `https://host/path`, `s3://bucket/key`, `archive://name/member`,
    `file:///a/b`, or a path.

    Raises:
        UserError: for a scheme without a source.
    """
    parts = urlsplit(uri)
    path = unquote(parts.path)
    match parts.scheme:
        case "wheel":
            return PackageFile(package=parts.netloc, resource=path.lstrip("/"))
        case "http" | "https":
            return HttpFile(url=uri)
        case "s3":
            return parse_s3(uri)
        case "archive":
            member = normalize_name(path.lstrip("/"))
            return ArchiveMember(archive=unquote(parts.netloc), member=member)
        case "" | "file":
            return LocalFile(path=Path(path))
        case other:
            raise UserError(
                f"{uri}: no source for {other!r}; use wheel, http, https, s3, archive, file or a "
                "path"
            )


def parse_s3(uri: str) -> S3Object:
    """Parse `s3://bucket/key`; nothing in the key is escaped. A missing bucket is a UserError."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise UserError(f"expected s3://bucket/key, got {uri}")
    return S3Object(bucket=bucket, key=key)


def normalize_name(name: str) -> str:
    """A member's name as the file system reads it: `./a//b` is `a/b`; absolute names stay so."""
    return str(PurePosixPath(name)) if name.strip("./") else name
