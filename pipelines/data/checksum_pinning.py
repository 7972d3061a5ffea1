"""Checksums of the first download, written into catalogs of files without published ones."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from esrgan_core.files import file_sha256
from esrgan_core.io.inspection import inspect_image
from pipelines.config.errors import UserError
from pipelines.data.catalog import (
    ARCHIVE,
    RANGE,
    parse_source,
    read_catalog,
    read_rows,
    write_rows,
)
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
    found: dict[str, dict[str, str]] = {}

    def look(number: str, options: TransferOptions) -> None:
        source = parse_source(unpinned[number])
        file = resolve(source, options)
        try:
            # an error page must not be pinned
            if unpinned[number]["split"] == ARCHIVE:
                list(unpack(file, {}))
            else:
                inspect_image(file)
        except ValueError:
            forget_unpinned(source)
            raise
        size = str(file.stat().st_size)
        found[number] = {"bytes": size, "sha256": file_sha256(file)}

    with byte_progress("pin", sum(int(row["bytes"] or 0) for row in unpinned.values())) as on_bytes:
        options = TransferOptions(on_bytes=on_bytes)
        jobs = {number: partial(look, number, options) for number in unpinned}
        problems = run_concurrently(jobs, options)
    if found:
        write_rows(path, [row | found.get(str(number), {}) for number, row in enumerate(rows)])
    return len(found), [f"{unpinned[number]['uri']}: {why}" for number, why in problems.items()]


def _is_unpinned(row: Mapping[str, str]) -> bool:
    is_member = isinstance(parse_location(row["uri"]), ArchiveMember)
    return len(row["sha256"]) < SHA256_DIGITS and not is_member and not RANGE.search(row["name"])
