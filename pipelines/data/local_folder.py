"""The folder `data/`, which holds catalogs or the user's images."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from esrgan_core.files import file_sha256
from esrgan_core.io.folder import find_images
from pipelines.config.errors import UserError
from pipelines.data.catalog import (
    LR,
    SPLITS,
    Catalog,
    CatalogEntry,
    check_unique_paths,
    read_catalog,
)
from pipelines.runtime.messages import warn
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import LocalFile, RemoteFile

TENTH = 0x1999_9999
"""Of the range of the first 8 digits of a sha256."""


def load_catalog(data: Path, names: list[str], scale: int) -> Catalog:
    """Read catalogs by name if `data` contains catalogs, otherwise list the images in it.

    `scale` is that of provided LR images whose names do not contain it.

    Raises:
        UserError: if a catalog is missing or malformed, two images have the same path, or there
            are no images.
    """
    if not data.is_dir():
        raise UserError(f"no folder {data}; get it with `dvc repro data.dvc` or `dvc checkout`")
    left_out: list[str] = []
    images = find_images(data, left_out.append)
    if images and not any(data.glob("*.csv")):
        for line in left_out:
            warn(line)
        catalog = Catalog(entries=list_entries(data, images, scale=scale), archives={})
    else:
        catalog = _read_catalogs(data, names)
    check_unique_paths(catalog.entries)
    if not catalog.entries:
        raise UserError(f"no images: download.catalogs is {names}, and {data} contains no images")
    return catalog


def _read_catalogs(data: Path, names: list[str]) -> Catalog:
    whole = Catalog(entries=[], archives={})
    for name in names:
        path = data / f"{name}.csv"
        if not path.is_file():
            known = sorted(file.stem for file in data.glob("*.csv"))
            raise UserError(
                f"download.catalogs names {name!r}; {data} has the catalogs {known}; images next "
                "to catalogs are not used"
            )
        catalog = read_catalog(path)
        whole.entries.extend(catalog.entries)
        for archive, file in catalog.archives.items():
            if whole.archives.setdefault(archive, file) != file:
                raise UserError(f"two catalogs define the archive {archive} differently")
    return whole


def list_entries(
    folder: Path, images: list[Path], *, split: str = "", scale: int
) -> list[CatalogEntry]:
    """Entries of the images in a folder.

    All have one `split`, or that of their folder train, val or test/<set>, or of their content.
    Images below `lr/` are provided LR of the HR image with the same path, then with `scale`, or
    with the same path followed by x2, x3, x4 or x8, which is the scale.

    Raises:
        UserError: if an image is not in one of these folders, an LR has no HR, or there are too
            few images to split.
    """
    sources = {path: _local_file(path) for path in images if not path.is_relative_to(folder / LR)}
    has_folders = not split and any((folder / name).is_dir() for name in SPLITS)
    if split or has_folders:
        splits = dict.fromkeys(sources, split)
    else:
        # the error of an unreadable file is raised when it is fetched
        splits = split_by_content(
            {
                path: file.expected.sha256 or hashlib.sha256(path.name.encode()).hexdigest()
                for path, file in sources.items()
            }
        )
    entries: dict[PurePosixPath, CatalogEntry] = {}
    for path, source in sources.items():
        inside = PurePosixPath(path.relative_to(folder))
        *folders, _ = inside.parts
        set_name = "own"
        if has_folders:
            if not folders or folders[0] not in SPLITS:
                raise UserError(f"{path} is outside of train, val and test in {folder}; move it")
            splits[path] = folders.pop(0)
            if splits[path] == "test" and folders:
                set_name = folders.pop(0)
        if other := entries.get(inside.with_suffix("")):
            raise UserError(f"{path} and {other.origin} differ only in their suffix; rename one")
        entries[inside.with_suffix("")] = CatalogEntry(
            name="_".join([*folders, path.stem]),
            split=splits[path],
            set=set_name,
            source=source,
            origin=str(path),
        )
    provided = [
        _provided_lr(path, PurePosixPath(path.relative_to(folder / LR)), entries, scale)
        for path in images
        if path not in sources
    ]
    return [*entries.values(), *provided]


def _provided_lr(
    path: Path, inside: PurePosixPath, hr: Mapping[PurePosixPath, CatalogEntry], scale: int
) -> CatalogEntry:
    stem = inside.with_suffix("")
    partner = hr.get(stem)
    if partner is None and (named := re.fullmatch(r"(.+?)_?x([2348])", stem.name)):
        partner, scale = hr.get(stem.with_name(named[1])), int(named[2])
    if partner is None:
        raise UserError(f"{path} is an LR without HR; remove it, or give it the name of its HR")
    return replace(partner, kind=f"lrx{scale}", source=_local_file(path), origin=str(path))


def _local_file(path: Path) -> RemoteFile:
    """A file with its size, and its checksum unless it cannot be read."""
    try:
        path.name.encode()
    except UnicodeError as error:
        raise UserError(f"the name of {path!r} is not UTF-8; rename it") from error
    sha256 = ""
    with suppress(OSError):
        sha256 = file_sha256(path)
    expected = ExpectedFile(bytes=path.stat().st_size, sha256=sha256)
    return RemoteFile(location=LocalFile(path=path), expected=expected)


def split_by_content(digests: Mapping[Path, str]) -> dict[Path, str]:
    """Assign about a tenth each to test and validation, by sha256.

    The split of an image does not depend on the other images, except that the nearest image is
    moved to a split that would be empty. Files with equal content get the same split.

    Raises:
        UserError: for fewer than three different images.
    """
    contents = sorted(set(digests.values()))
    if len(contents) < 3:
        raise UserError("at least 3 different images are needed: train, val and test")
    tenths = {content: int(content[:8], 16) // TENTH for content in contents}
    splits = {content: ("test", "val")[n] if n < 2 else "train" for content, n in tenths.items()}
    for position, split in ((-1, "train"), (0, "test"), (1, "val")):
        if split not in splits.values():
            splits[contents[position]] = split
    return {path: splits[content] for path, content in digests.items()}
