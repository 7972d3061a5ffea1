"""All images of a catalog into the image folder: archives one by one, single files at once."""

import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from rich.filesize import decimal

from pipelines.data.catalog import Catalog, CatalogEntry
from pipelines.runtime.disk import require_disk_space
from pipelines.runtime.progress import byte_progress, progress
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root
from pipelines.sources.archive import BadArchiveError, Limits, unpack
from pipelines.sources.cache import shared_cache
from pipelines.sources.errors import StoppedError
from pipelines.sources.locations import (
    ArchiveMember,
    HttpFile,
    LocalFile,
    PackageFile,
    S3Object,
    parse_location,
)
from pipelines.sources.resolve import RemoteFile, fetch, resolve
from pipelines.sources.transfer import TransferOptions

AT_ONCE = 8
"""Files that are fetched side by side."""
ASSUMED_PACE = 10e6
"""Bytes per second that a time is told by before there is a pace to tell it by."""
Problems = dict[str, OSError | ValueError]
"""By the path of the image in the image folder, why it could not be had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What fetching takes, as far as the catalogs say it."""

    images: int
    to_fetch: int
    """Bytes; as many are needed of the disk under the state root."""
    unknown: int
    """Files of which no size is known."""
    folder: int
    """Bytes of disk that it needs in the image folder."""

    def __str__(self) -> str:
        time = timedelta(seconds=round(self.to_fetch / ASSUMED_PACE))
        fetching = f"{decimal(self.to_fetch)} to fetch, {time} at {decimal(int(ASSUMED_PACE))}/s"
        unknown = f", and {self.unknown} files of unknown size" if self.unknown else ""
        disk = decimal(self.to_fetch + self.folder)
        return f"{self.images} images; {fetching}{unknown}; {disk} of disk"


def estimate(catalog: Catalog) -> Estimate:
    """What it takes to fetch a catalog on this machine, where some of it may be already."""
    cache = shared_cache()
    to_fetch = unknown = folder = 0
    origins = [entry.source for entry in catalog.entries] + list(catalog.archives.values())
    for origin in origins:
        match parse_location(origin.uri):
            case HttpFile() | S3Object():
                missing = cache.missing(origin.address, origin.expected)
                unknown += not origin.expected.bytes
                to_fetch += missing
                folder += origin.expected.bytes
            case ArchiveMember():
                pass  # its archive counts: images do not pack
            case LocalFile() | PackageFile():
                folder += origin.expected.bytes
    return Estimate(
        images=len(catalog.entries),
        to_fetch=to_fetch,
        unknown=unknown,
        folder=folder,
    )


def fetch_all(catalog: Catalog, folder: Path, options: TransferOptions | None = None) -> Problems:
    """Fetch every image to its place in `folder`; what cannot be had is told, not raised.

    Raises:
        UserError: if it cannot fit on the disk.
    """
    needed = estimate(catalog)
    print(f"download: {needed}", file=sys.stderr)
    require_disk_space({state_root(): needed.to_fetch, folder: needed.folder})
    _warn_of_unpinned(catalog)
    with byte_progress("download", needed.to_fetch) as on_bytes:
        options = replace(options or TransferOptions(), on_bytes=on_bytes)
        problems: Problems = {}
        for name, origin in catalog.archives.items():
            members = _members(catalog.entries, name)
            problems |= _unpack_all(name, origin, members, folder, options)
        alone = [
            entry
            for entry in catalog.entries
            if not isinstance(parse_location(entry.source.uri), ArchiveMember)
        ]
        wanted = {entry.path: (entry.source, folder / entry.path) for entry in alone}
        return problems | run_concurrently(wanted, fetch, options)


def run_concurrently(
    wanted: Mapping[str, tuple[RemoteFile, Path]],
    work: Callable[[RemoteFile, Path, TransferOptions], object],
    options: TransferOptions,
) -> Problems:
    """Do `work` for several origins at a time; by name, why some could not be done."""
    problems: Problems = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            futures: dict[Future[object], str] = {
                pool.submit(work, origin, target, options): name
                for name, (origin, target) in wanted.items()
            }
            for future in as_completed(futures):
                try:
                    future.result()
                except (OSError, ValueError) as error:
                    problems[futures[future]] = error
        except BaseException:
            # an end from outside: what is under way stops at its next piece
            options.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return problems


def _members(entries: Iterable[CatalogEntry], archive: str) -> dict[str, str]:
    """Paths in the image folder by member, of one archive."""
    found: dict[str, str] = {}
    for entry in entries:
        location = parse_location(entry.source.uri)
        if isinstance(location, ArchiveMember) and location.archive == archive:
            other = found.setdefault(location.member, entry.path)
            if other != entry.path:
                raise ValueError(f"{entry.source.uri} is named twice: {other} and {entry.path}")
    return found


def _unpack_all(
    name: str,
    origin: RemoteFile,
    members: Mapping[str, str],
    folder: Path,
    options: TransferOptions,
) -> Problems:
    """Fetch and unpack one archive; what is wrong with all of it is wrong with each member."""
    targets = {member: folder / path for member, path in members.items()}
    problems: Problems = {}
    try:
        archive = resolve(origin, options)
        with progress(f"unpack {name}", len(targets)) as advance:
            for number, (member, problem) in enumerate(unpack(archive, targets, Limits()), start=1):
                if problem:
                    problems[member] = BadArchiveError(problem)
                advance(number, member)
    except StoppedError:
        raise
    except BadArchiveError as error:
        forget_if_unpinned(origin)
        whole = BadArchiveError(f"{name} from {origin.uri}: {error}")
        problems = {**dict.fromkeys(targets, whole), **problems}
    except (OSError, ValueError) as error:
        lost = OSError(f"{name} could not be had: {error}")
        lost.__cause__ = error
        problems = {**dict.fromkeys(targets, lost), **problems}
    return {members[member]: problem for member, problem in problems.items()}


def forget_if_unpinned(origin: RemoteFile) -> None:
    """Fetch a file anew next time that turned out to be of no use, if nothing else was promised."""
    location = parse_location(origin.uri)
    if isinstance(location, HttpFile | S3Object) and not origin.expected.pinned:
        shared_cache().forget(origin.uri)


def _warn_of_unpinned(catalog: Catalog) -> None:
    """Say what no checksum protects; members of a pinned archive are protected by its own."""
    files = {entry.source.uri: entry.source.expected for entry in catalog.entries}
    files |= {origin.uri: origin.expected for origin in catalog.archives.values()}
    open_ = [
        uri
        for uri, expected in files.items()
        if not expected.pinned and not isinstance(parse_location(uri), ArchiveMember)
    ]
    if open_:
        more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
        print(
            f"no checksum is known of {redact(open_[0])}{more}; taken as it comes. "
            "`esrgan catalog pin` writes checksums into a catalog",
            file=sys.stderr,
        )
