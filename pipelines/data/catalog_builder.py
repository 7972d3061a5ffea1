"""Catalogs of the user's images in a folder or below an S3 prefix, and checksums for catalogs."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from esrgan_core.files import file_sha256
from esrgan_core.io.folder import find_images
from esrgan_core.io.inspection import inspect_image
from pipelines.config.errors import UserError
from pipelines.data.catalog import (
    ARCHIVE,
    RANGE,
    SPLITS,
    CatalogEntry,
    check_unique_paths,
    parse_source,
    read_catalog,
    read_rows,
    to_row,
    write_rows,
)
from pipelines.data.download import run_concurrently
from pipelines.data.image_checks import find_problem
from pipelines.data.local_folder import list_entries
from pipelines.runtime.messages import warn
from pipelines.runtime.parallel import in_parallel
from pipelines.runtime.progress import byte_progress, track
from pipelines.runtime.state import state_root
from pipelines.sources.archive import unpack
from pipelines.sources.checksums import SHA256_DIGITS
from pipelines.sources.locations import ArchiveMember, RemoteFile, S3Object, parse_location
from pipelines.sources.resolve import forget_unpinned, resolve
from pipelines.sources.s3 import list_objects, select_images
from pipelines.sources.transfer import TransferOptions

PIRM = {
    "split": "test",
    "set": "pirm",
    "license": "academic research only",
    "citation": "Blau et al., The 2018 PIRM Challenge on Perceptual Image Super-Resolution, "
    "ECCVW 2018",
}
PIRM_NAMES = {str(number) for number in range(1, 101)}


def write_folder_catalog(
    folder: Path, output: Path, metadata: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[int, list[str]]:
    """Write a catalog of the images below `folder`, without bad ones or, by default, not at all.

    `metadata` has the split, set, license and citation of all images; `scale` is that of provided
    LR images whose names do not contain it.

    Returns:
        Number of images in the catalog, and the problems of bad images.

    Raises:
        UserError: if there is no folder, no image, or no such split.
    """
    if not folder.is_dir():
        raise UserError(f"no folder {folder}")
    entries, bad = _list_entries(folder.absolute(), metadata, scale=scale, skip_bad=skip_bad)
    return _write(output, entries), [f"{path}: {problem}" for path, problem in bad.items()]


def write_s3_catalog(
    prefix: S3Object, output: Path, metadata: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[int, list[str]]:
    """Write a catalog of the images below an S3 prefix, like `write_folder_catalog`.

    The images are fetched into the cache. A prefix that cannot be listed is a HostError.
    """
    found = dict(select_images(list_objects(prefix), warn))
    if not found:
        raise UserError(f"no images in {prefix}")
    with TemporaryDirectory(dir=state_root()) as name:
        folder = Path(name)
        total = sum(image.expected.bytes for image in found.values())
        with byte_progress("fetch", total) as on_bytes:
            options = TransferOptions(on_bytes=on_bytes)
            jobs = {
                path: partial(_link, image, folder / path, options) for path, image in found.items()
            }
            problems = run_concurrently(jobs, options)
        bad = [f"{found[path].location}: {problem}" for path, problem in problems.items()]
        if bad and not skip_bad:
            return 0, bad
        locations = {folder / path: image.location for path, image in found.items()}
        entries, more = _list_entries(folder, metadata, scale=scale, skip_bad=skip_bad)
    located = [(entry, locations[Path(entry.origin)]) for entry in entries]
    entries = [
        replace(entry, source=replace(entry.source, location=place), origin=str(place))
        for entry, place in located
    ]
    bad += [f"{locations[path]}: {problem}" for path, problem in more.items()]
    return _write(output, entries), bad


def _link(image: RemoteFile, target: Path, options: TransferOptions) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(resolve(image, options))


def _write(output: Path, entries: list[CatalogEntry]) -> int:
    if entries:
        write_rows(output, [to_row(entry) for entry in entries])
    return len(entries)


def _list_entries(
    folder: Path, metadata: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[list[CatalogEntry], dict[Path, str]]:
    """Entries of the good images in a folder, and the problems of the bad ones."""
    if (split := metadata.get("split")) and split not in SPLITS:
        raise UserError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    images = find_images(folder, warn)
    if not images:
        raise UserError(f"no images in {folder}")
    names = [path.name for path in images]
    problems = track("catalog", in_parallel(find_problem, images), names)
    bad = {path: problem for path, problem in zip(images, problems, strict=True) if problem}
    good = [path for path in images if path not in bad]
    if not good or (bad and not skip_bad):
        return [], bad
    fields: dict[str, Any] = dict(metadata)
    if {path.stem for path in good} == PIRM_NAMES:
        print("recognized the PIRM self-validation set: images 1 to 100", file=sys.stderr)
        fields = PIRM | fields
    split = fields.pop("split", "")
    entries = [
        replace(entry, **fields) for entry in list_entries(folder, good, split=split, scale=scale)
    ]
    check_unique_paths(entries)
    return entries, bad


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
