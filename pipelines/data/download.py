"""Download of a catalog's images into the image folder."""

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from rich.filesize import decimal

from pipelines.config.errors import UserError
from pipelines.data.catalog import Catalog
from pipelines.runtime.disk import require_disk_space
from pipelines.runtime.progress import byte_progress, progress
from pipelines.runtime.redaction import redact
from pipelines.runtime.state import state_root
from pipelines.sources import cache
from pipelines.sources.archive import BadArchiveError, unpack
from pipelines.sources.locations import ArchiveMember, HttpFile, S3Object
from pipelines.sources.resolve import copy, forget_unpinned, resolve
from pipelines.sources.transfer import TransferOptions

CONCURRENT = 8
"""Files that are fetched at the same time."""
ASSUMED_SPEED = 10_000_000
"""Bytes per second of the first estimate."""
Problems = dict[str, OSError | ValueError]
"""Errors by the path of the image in the image folder."""


def report_estimate(catalog: Catalog, folder: Path) -> int:
    """Print what a download needs and what is not verified; returns the bytes to fetch."""
    remote = [file for file in catalog.files if isinstance(file.location, HttpFile | S3Object)]
    to_fetch = sum(map(cache.missing_bytes, remote))
    # the members of an archive are as large as the archive
    in_folder = sum(file.expected.bytes for file in catalog.files)
    time = timedelta(seconds=round(to_fetch / ASSUMED_SPEED))
    count = sum(not file.expected.bytes for file in remote)
    unknown = f", and {count} files of unknown size" if count else ""
    print(
        f"download: {len(catalog.entries)} images; {decimal(to_fetch)} to fetch, {time} at "
        f"{decimal(ASSUMED_SPEED)}/s{unknown}; {decimal(to_fetch + in_folder)} of disk",
        file=sys.stderr,
    )
    require_disk_space({state_root(): to_fetch, folder: in_folder})
    # the checksum of an archive protects its members
    if unpinned := {str(file.location) for file in catalog.files if not file.expected.is_pinned}:
        more = f" and {len(unpinned) - 1} more" if len(unpinned) > 1 else ""
        print(
            f"warning: no checksum for {redact(min(unpinned))}{more}; the content is not verified. "
            "`esrgan catalog pin` writes checksums into a catalog",
            file=sys.stderr,
        )
    return to_fetch


def fetch_all(catalog: Catalog, folder: Path, options: TransferOptions | None = None) -> Problems:
    """Fetch the images of a catalog into `folder`; returns the errors of missing images.

    Raises:
        UserError: if the images do not fit on the disk.
    """
    to_fetch = report_estimate(catalog, folder)
    with byte_progress("download", to_fetch) as on_bytes:
        options = replace(options or TransferOptions(), on_bytes=on_bytes)
        problems: Problems = {}
        for name in catalog.archives:
            problems |= _unpack_all(catalog, name, folder, options)
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


def _unpack_all(catalog: Catalog, name: str, folder: Path, options: TransferOptions) -> Problems:
    """Fetch and unpack one archive; an error of the archive is an error of all members left."""
    file = catalog.archives[name]
    members: dict[str, str] = {}
    for entry in catalog.entries:
        location = entry.source.location
        if isinstance(location, ArchiveMember) and location.archive == name:
            other = members.setdefault(location.member, entry.path)
            if other != entry.path:
                raise UserError(f"{location} occurs twice: {other} and {entry.path}")
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
