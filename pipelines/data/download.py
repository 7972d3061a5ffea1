"""Download of a catalog's images into the image folder."""

import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from rich.filesize import decimal

from pipelines.config.errors import UserError
from pipelines.data.catalog import Catalog, CatalogEntry
from pipelines.runtime.disk import require_disk_space
from pipelines.runtime.progress import byte_progress, progress
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root
from pipelines.sources import cache
from pipelines.sources.archive import BadArchiveError, unpack
from pipelines.sources.locations import ArchiveMember, HttpFile, S3Object
from pipelines.sources.resolve import RemoteFile, copy, forget_unpinned, resolve
from pipelines.sources.transfer import TransferOptions

CONCURRENT = 8
"""Files that are fetched at the same time."""
ASSUMED_SPEED = 10e6
"""Bytes per second of the first estimate."""
Problems = dict[str, OSError | ValueError]
"""Errors by the path of the image in the image folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a download needs, by the sizes in the catalogs."""

    images: int
    to_fetch: int
    """Bytes to fetch, which the disk of the state root needs as well."""
    unknown: int
    """Files of unknown size."""
    folder: int
    """Bytes of disk that the image folder needs."""

    def __str__(self) -> str:
        time = timedelta(seconds=round(self.to_fetch / ASSUMED_SPEED))
        speed = decimal(int(ASSUMED_SPEED))
        unknown = f", and {self.unknown} files of unknown size" if self.unknown else ""
        return (
            f"{self.images} images; {decimal(self.to_fetch)} to fetch, {time} at {speed}/s"
            f"{unknown}; {decimal(self.to_fetch + self.folder)} of disk"
        )


def estimate(catalog: Catalog) -> Estimate:
    """Estimate the download of a catalog; the cache may have some of the files."""
    files = [entry.source for entry in catalog.entries] + list(catalog.archives.values())
    # the members of an archive are as large as the archive
    files = [file for file in files if not isinstance(file.location, ArchiveMember)]
    remote = [file for file in files if isinstance(file.location, HttpFile | S3Object)]
    return Estimate(
        images=len(catalog.entries),
        to_fetch=sum(cache.missing_bytes(file.cache_key, file.expected) for file in remote),
        unknown=sum(not file.expected.bytes for file in remote),
        folder=sum(file.expected.bytes for file in files),
    )


def fetch_all(catalog: Catalog, folder: Path, options: TransferOptions | None = None) -> Problems:
    """Fetch the images of a catalog into `folder`; returns the errors of missing images.

    Raises:
        UserError: if the images do not fit on the disk.
    """
    needed = estimate(catalog)
    print(f"download: {needed}", file=sys.stderr)
    require_disk_space({state_root(): needed.to_fetch, folder: needed.folder})
    _warn_about_unpinned(catalog)
    with byte_progress("download", needed.to_fetch) as on_bytes:
        options = replace(options or TransferOptions(), on_bytes=on_bytes)
        problems: Problems = {}
        for name, file in catalog.archives.items():
            members = _archive_members(catalog.entries, name)
            problems |= _unpack_all(name, file, members, folder, options)
        jobs = {
            entry.path: partial(copy, entry.source, folder / entry.path, options)
            for entry in catalog.entries
            if not isinstance(entry.source.location, ArchiveMember)
        }
        return problems | run_concurrently(jobs, options)


def run_concurrently(
    jobs: Mapping[str, Callable[[], object]], options: TransferOptions
) -> Problems:
    """Run jobs in threads; returns the errors by name."""
    problems: Problems = {}
    with ThreadPoolExecutor(CONCURRENT) as pool:
        try:
            futures = {pool.submit(job): name for name, job in jobs.items()}
            for future in as_completed(futures):
                try:
                    future.result()
                except (OSError, ValueError) as error:
                    problems[futures[future]] = error
        except BaseException:
            # interrupted: running transfers stop at their next chunk
            options.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return problems


def _archive_members(entries: Iterable[CatalogEntry], archive: str) -> dict[str, str]:
    """Paths in the image folder of one archive's members."""
    paths: dict[str, str] = {}
    for entry in entries:
        location = entry.source.location
        if isinstance(location, ArchiveMember) and location.archive == archive:
            other = paths.setdefault(location.member, entry.path)
            if other != entry.path:
                raise UserError(f"{location} occurs twice: {other} and {entry.path}")
    return paths


def _unpack_all(
    name: str, file: RemoteFile, members: Mapping[str, str], folder: Path, options: TransferOptions
) -> Problems:
    """Fetch and unpack one archive; an error of the archive is an error of all members left."""
    targets = {member: folder / path for member, path in members.items()}
    problems: Problems = {}
    failure: OSError | ValueError | None = None
    try:
        archive = resolve(file, options)
        with progress(f"unpack {name}", len(targets)) as advance:
            for number, (member, problem) in enumerate(unpack(archive, targets), start=1):
                if problem:
                    problems[member] = BadArchiveError(problem)
                advance(number, member)
    except BadArchiveError as error:
        forget_unpinned(file)
        failure = BadArchiveError(f"{name} from {file.location}: {error}")
    except (OSError, ValueError) as error:
        failure = OSError(f"cannot fetch {name}: {error}")
        failure.__cause__ = error
    if failure:
        problems = dict.fromkeys(targets, failure) | problems
    return {members[member]: problem for member, problem in problems.items()}


def _warn_about_unpinned(catalog: Catalog) -> None:
    files = [entry.source for entry in catalog.entries] + list(catalog.archives.values())
    # the checksum of an archive protects its members
    unpinned = {
        str(file.location)
        for file in files
        if not file.expected.is_pinned and not isinstance(file.location, ArchiveMember)
    }
    if unpinned:
        more = f" and {len(unpinned) - 1} more" if len(unpinned) > 1 else ""
        print(
            f"warning: no checksum for {redact(min(unpinned))}{more}; the content is not verified. "
            "`esrgan catalog pin` writes checksums into a catalog",
            file=sys.stderr,
        )
