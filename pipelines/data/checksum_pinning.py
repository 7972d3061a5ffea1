"""Checksums written into catalogs: what nobody has published one of is held to its first copy."""

from collections.abc import Mapping
from pathlib import Path

from esrgan_core.io.inspection import inspect_image
from pipelines.data.catalog import ARCHIVE, RANGE, parse_source, read_catalog, read_rows, write_rows
from pipelines.data.download import forget_if_unpinned, run_concurrently
from pipelines.runtime.progress import byte_progress
from pipelines.sources.archive import Limits, unpack
from pipelines.sources.checksums import WHOLE, digest
from pipelines.sources.locations import ArchiveMember, parse_location
from pipelines.sources.resolve import RemoteFile, resolve
from pipelines.sources.transfer import TransferOptions


def pin_catalog(path: Path) -> tuple[int, list[str]]:
    """Fetch every file of a catalog whose sha256 it lacks, and write that and its size into it.

    Returns:
        How many were pinned, and what could not be had.

    Raises:
        ValueError: if the catalog is malformed or not there.
    """
    if not path.is_file():
        raise ValueError(f"no catalog {path}")
    read_catalog(path)  # complains of what is wrong with it
    rows = read_rows(path)
    open_ = {str(number): row for number, row in enumerate(rows) if _wants_pinning(row)}
    found: dict[str, tuple[str, str]] = {}

    def look(origin: RemoteFile, target: Path, options: TransferOptions) -> None:
        file = resolve(origin, options)
        try:
            _check_is_used(file, is_archive=rows[int(target.name)]["split"] == ARCHIVE)
        except ValueError:
            forget_if_unpinned(origin)
            raise
        found[target.name] = str(file.stat().st_size), digest(file, "sha256")

    origins = {number: (parse_source(row), Path(number)) for number, row in open_.items()}
    total = sum(origin.expected.bytes for origin, _ in origins.values())
    with byte_progress("pin", total) as on_bytes:
        problems = run_concurrently(origins, look, TransferOptions(on_bytes=on_bytes))
    for number, (size, sha256) in found.items():
        rows[int(number)] |= {"bytes": size, "sha256": sha256}
    if found:
        write_rows(path, rows)
    return len(found), [f"{open_[number]['uri']}: {why}" for number, why in problems.items()]


def _check_is_used(file: Path, *, is_archive: bool) -> None:
    """Refuse to pin an error page: what is pinned is the truth from then on."""
    if is_archive:
        list(unpack(file, {}, Limits()))
    else:
        inspect_image(file)


def _wants_pinning(row: Mapping[str, str]) -> bool:
    within = isinstance(parse_location(row["uri"]), ArchiveMember)
    is_range = bool(RANGE.search(row["name"]))
    return len(row["sha256"]) < WHOLE and not within and not is_range
