"""Checksums of the first download, written into catalogs of files without published ones."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from esrgan_core.files import file_sha256
from esrgan_core.io.inspection import inspect_image
from pipelines.config.errors import UserError
from pipelines.data.catalog import ARCHIVE, RANGE, parse_source, read_catalog, read_rows, write_rows
from pipelines.data.download import run_concurrently
from pipelines.runtime.progress import byte_progress
from pipelines.sources.archive import unpack
from pipelines.sources.checksums import SHA256_DIGITS
from pipelines.sources.locations import ArchiveMember, parse_location
from pipelines.sources.resolve import forget_unpinned, resolve
from pipelines.sources.transfer import TransferOptions


def pin_catalog(path: Path) -> tuple[int, list[str]]:
    """Fetch the files without sha256, and write their sha256 and size into the catalog.

    Returns:
        Number of pinned files, and the errors of the others.

    Raises:
        UserError: if the catalog does not exist or is malformed.
    """
    if not path.is_file():
        raise UserError(f"no catalog {path}")
    read_catalog(path)  # checks it
    rows = read_rows(path)
    unpinned = {str(number): row for number, row in enumerate(rows) if _is_unpinned(row)}
    with byte_progress("pin", sum(int(row["bytes"] or 0) for row in unpinned.values())) as on_bytes:
        options = TransferOptions(on_bytes=on_bytes)
        jobs = {number: partial(_pin, row, options) for number, row in unpinned.items()}
        problems = run_concurrently(jobs, options)
    if count := len(unpinned) - len(problems):
        write_rows(path, rows)
    return count, [f"{unpinned[number]['uri']}: {why}" for number, why in problems.items()]


def _pin(row: dict[str, str], options: TransferOptions) -> None:
    """Fetch the file of a row, and set its size and sha256."""
    source = parse_source(row)
    file = resolve(source, options)
    try:
        # an error page must not be pinned
        if row["split"] == ARCHIVE:
            list(unpack(file, {}))
        else:
            inspect_image(file)
    except ValueError:
        forget_unpinned(source)
        raise
    row.update(bytes=str(file.stat().st_size), sha256=file_sha256(file))


def _is_unpinned(row: Mapping[str, str]) -> bool:
    is_member = isinstance(parse_location(row["uri"]), ArchiveMember)
    return len(row["sha256"]) < SHA256_DIGITS and not is_member and not RANGE.search(row["name"])
