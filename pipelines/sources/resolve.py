"""Where images come from. A catalog names each by a URI; its scheme chooses the source.

A new source is a module here with a location type and a function that fetches, one member of
`Location`, and one case in `parse_location` and `located`. Libraries that speak to a host are
imported when something comes from one.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from esrgan_core.files import atomic_path
from pipelines.sources.cache import shared_cache
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import (
    ArchiveMember,
    HttpFile,
    LocalFile,
    PackageFile,
    S3Object,
    parse_location,
)
from pipelines.sources.package_data import find_package_file
from pipelines.sources.transfer import TransferOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """Where a file comes from, and what it must be."""

    uri: str
    expected: ExpectedFile
    mirrors: tuple[str, ...] = ()
    version: str = ""
    """What tells this content from others of the address, where no checksum does."""

    @property
    def address(self) -> str:
        """What the cache knows it by."""
        return f"{self.uri} {self.version}".rstrip()

    def __post_init__(self) -> None:
        """Refuse a URI that no source serves."""
        kinds = {type(parse_location(uri)) for uri in (self.uri, *self.mirrors)}
        if self.mirrors and kinds != {HttpFile}:
            raise ValueError(f"{self.uri}: only what comes by http(s) can have mirrors")


def resolve(origin: RemoteFile, options: TransferOptions) -> Path:
    """Path of a file on this machine with what `origin` points to, fetched if need be.

    Raises:
        OSError: if it cannot be had; says what to do.
        ValueError: if it is not what is expected, or lies in an archive, which has to be unpacked.
    """
    match parse_location(origin.uri):
        case HttpFile() as file:
            from pipelines.sources.http import download  # noqa: PLC0415  requests

            urls, expected = [file.url, *origin.mirrors], origin.expected
            return shared_cache().fetched(
                file.url, expected, options, lambda part: download(urls, part, expected, options)
            )
        case S3Object() as place:
            from pipelines.sources.s3 import download_object  # noqa: PLC0415  boto3

            expected = origin.expected
            return shared_cache().fetched(
                origin.address,
                expected,
                options,
                lambda part: download_object(place, part, expected, options),
            )
        case PackageFile() as resource:
            return _checked(find_package_file(resource), origin)
        case LocalFile() as file:
            return _checked(find_local_file(file), origin)
        case ArchiveMember():
            raise ValueError(f"{origin.uri} lies in an archive")
        case other:
            assert_never(other)


def fetch(origin: RemoteFile, target: Path, options: TransferOptions) -> None:
    """Copy what `origin` points to, byte for byte, to `target`; raises as `located`."""
    source = resolve(origin, options)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def find_local_file(file: LocalFile) -> Path:
    """The path, if there is a file.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not file.path.is_file():
        raise FileNotFoundError(f"no file {file.path}; correct the path")
    return file.path


def _checked(path: Path, origin: RemoteFile) -> Path:
    if problem := origin.expected.problem(path):
        raise ValueError(
            f"{problem}; get the original again, or correct the catalog if the file was meant to "
            "change"
        )
    return path
