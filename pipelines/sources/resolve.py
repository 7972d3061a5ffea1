"""Local paths of files at any location.

A new source is a module that fetches from it, a type in `locations.Location`, and one case each in
`parse_location` and `resolve`. Network libraries are imported only when they are needed.
"""

import shutil
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import assert_never

from esrgan_core.files import atomic_path
from pipelines.config.errors import UserError
from pipelines.sources import cache
from pipelines.sources.checksums import REMEDY
from pipelines.sources.locations import (
    ArchiveMember,
    HttpFile,
    LocalFile,
    PackageFile,
    RemoteFile,
    S3Object,
)
from pipelines.sources.transfer import TransferOptions


def resolve(remote: RemoteFile, options: TransferOptions) -> Path:
    """Local path of a file with the expected content, which is fetched if necessary.

    Raises:
        OSError: if it cannot be fetched.
        UserError: if it does not exist, has another content, or is part of an archive, which has
            to be unpacked.
    """
    match remote.location:
        case HttpFile(url=url):
            from pipelines.sources.http import download  # noqa: PLC0415  requests

            return cache.get_or_fetch(remote, options, partial(download, [url, *remote.mirrors]))
        case S3Object() as location:
            from pipelines.sources.s3 import download_object  # noqa: PLC0415  boto3

            return cache.get_or_fetch(remote, options, partial(download_object, location))
        case PackageFile() as location:
            path = find_package_file(location)
        case LocalFile(path=path):
            if not path.is_file():
                raise UserError(f"no file {path}; correct the path")
        case ArchiveMember() as location:
            raise UserError(f"{location} is part of an archive")
        case other:
            assert_never(other)
    if mismatch := remote.expected.mismatch(path):
        raise UserError(f"{mismatch}; {REMEDY}")
    return path


def copy(remote: RemoteFile, target: Path, options: TransferOptions) -> None:
    """Copy a file byte for byte to `target`; raises the errors of `resolve`."""
    source = resolve(remote, options)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def forget_unpinned(remote: RemoteFile) -> None:
    """Fetch an unusable file again next time, unless a checksum confirms its content."""
    if isinstance(remote.location, HttpFile | S3Object) and not remote.expected.is_pinned:
        cache.forget(remote)


def find_package_file(location: PackageFile) -> Path:
    """Path of a package's file; a UserError if the package or the file is not installed."""
    top, *inner = location.package.split(".")
    # the spec of the top package is found without importing it, which can take seconds
    spec = find_spec(top)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *inner, location.resource)
        if path.is_file():
            return path
    raise UserError(
        f"{location.resource} of {location.package} is not installed; run `make install`"
    )
