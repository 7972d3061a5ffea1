"""A catalog of anybody's images, made of the folder or the S3 prefix that they lie in."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.folder import SUFFIXES, find_images
from esrgan_core.io.inspection import inspect_image
from pipelines.data.catalog import SPLITS, CatalogEntry, check_unique_paths, write_rows
from pipelines.data.download import run_concurrently
from pipelines.data.local_folder import list_entries
from pipelines.runtime.parallel import in_parallel
from pipelines.runtime.progress import byte_progress, progress
from pipelines.runtime.state import state_root
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import S3Object
from pipelines.sources.resolve import RemoteFile, resolve
from pipelines.sources.s3 import ListedObject, check_key, list_objects
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
    folder: Path, output: Path, words: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[int, list[str]]:
    """Write a catalog of the images in `folder`, if all are good or bad ones may be skipped.

    Args:
        folder: searched with all folders in it.
        output: the CSV file.
        words: what holds for all: split, set, license, citation; else by folders or content.
        scale: of provided LR whose name does not say it.
        skip_bad: whether bad images are left out.

    Returns:
        How many images it lists, 0 if it is not written, and what is wrong with bad ones.

    Raises:
        ValueError: if there is no folder, no image, or no such split.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    entries, bad = _entries_of(folder.absolute(), words, scale=scale, skip_bad=skip_bad)
    return _write(output, entries), bad


def write_s3_catalog(
    prefix: S3Object, output: Path, words: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[int, list[str]]:
    """Write a catalog of the images below an S3 prefix; as `catalog_folder`.

    Each is fetched into the cache, from where it is taken later, and what is there is not
    fetched again.

    Raises:
        HostError: if the prefix cannot be listed.
    """
    found = {
        one.path: one
        for one in list_objects(prefix)
        if PurePosixPath(one.location.key).suffix.lower() in SUFFIXES
    }
    for one in found.values():
        check_key(one)
    if not found:
        raise ValueError(f"no images in {prefix}")
    with TemporaryDirectory(dir=state_root()) as name:
        folder = Path(name)
        wanted = {
            inside: (
                RemoteFile(
                    uri=str(one.location), expected=ExpectedFile(bytes=one.bytes), version=one.etag
                ),
                folder / inside,
            )
            for inside, one in found.items()
        }
        with byte_progress("fetch", sum(one.bytes for one in found.values())) as on_bytes:
            lost = run_concurrently(wanted, _link, TransferOptions(on_bytes=on_bytes))
        bad = [f"{found[inside].location}: {problem}" for inside, problem in lost.items()]
        if bad and not skip_bad:
            return 0, bad
        entries, more = _entries_of(folder, words, scale=scale, skip_bad=skip_bad)
        own = [
            _readdressed(entry, found[str(Path(entry.origin).relative_to(folder))].location)
            for entry in entries
        ]
    return _write(output, own), [*bad, *(_with_place(line, folder, found) for line in more)]


def _with_place(line: str, folder: Path, found: Mapping[str, ListedObject]) -> str:
    """A complaint about a image that was fetched, with the image's own address."""
    path, colon, words = line.removeprefix(f"{folder}/").partition(": ")
    return f"{found[path].location}{colon}{words}" if path in found else line


def _link(origin: RemoteFile, target: Path, options: TransferOptions) -> None:
    source = resolve(origin, options)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)


def _readdressed(entry: CatalogEntry, place: S3Object) -> CatalogEntry:
    source = RemoteFile(uri=str(place), expected=entry.source.expected)
    return replace(entry, source=source, origin=str(place))


def _write(output: Path, entries: list[CatalogEntry]) -> int:
    if entries:
        write_rows(output, [_row(entry) for entry in entries])
    return len(entries)


def _entries_of(
    folder: Path, words: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[list[CatalogEntry], list[str]]:
    """Entries of the good images in a folder, none if a bad one may not be skipped."""
    if (split := words.get("split")) and split not in SPLITS:
        raise ValueError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    images = find_images(folder)
    if not images:
        raise ValueError(f"no images in {folder}")
    bad: dict[Path, str] = {}
    with progress("catalog", len(images)) as advance:
        for number, problem in enumerate(in_parallel(problem_of, images), start=1):
            path = images[number - 1]
            if problem:
                bad[path] = problem
            advance(number, path.name)
    lines = [f"{path}: {problem}" for path, problem in bad.items()]
    if bad and not skip_bad:
        return [], lines
    good = [path for path in images if path not in bad]
    if {path.stem for path in good} == PIRM_NAMES:
        print("recognized as PIRM's self-validation set: images 1 to 100", file=sys.stderr)
        words = PIRM | dict(words)
    if not good:
        return [], lines
    given: dict[str, Any] = dict(words)
    split = given.pop("split", "")
    found = list_entries(folder, good, split=split, scale=scale)
    entries = [replace(entry, **given) for entry in found]
    check_unique_paths(entries)
    return entries, lines


def problem_of(path: Path) -> str:
    """What is wrong with a image; "" if nothing is."""
    try:
        inspect_image(path)
    except (BadImageError, OSError) as error:
        return str(error)
    return ""


def _row(entry: CatalogEntry) -> dict[str, str]:
    return {
        "name": entry.name,
        "split": entry.split,
        "set": entry.set,
        "uri": entry.source.uri,
        "bytes": str(entry.source.expected.bytes),
        "sha256": entry.source.expected.sha256,
        "license": entry.license,
        "origin": entry.origin,
        "kind": "" if entry.kind == "hr" else entry.kind,
        "citation": entry.citation,
    }
