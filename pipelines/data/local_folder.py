"""What `data/` holds: catalogs, or images of one's own."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from esrgan_core.files import file_sha256
from esrgan_core.io.folder import find_images
from pipelines.data.catalog import (
    LR,
    SPLITS,
    Catalog,
    CatalogEntry,
    check_unique_paths,
    read_catalog,
)
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.resolve import RemoteFile


def load_catalog(data: Path, names: list[str], scale: int) -> Catalog:
    """The catalogs named, where `data` holds catalogs; else the images in it.

    Args:
        data: the folder.
        names: of catalogs.
        scale: of LR whose name does not say it.

    Raises:
        ValueError: if there is neither, a catalog is malformed, two images want one place, or
            there is no image at all.
    """
    if not data.is_dir():
        raise ValueError(f"no folder {data}; `dvc repro data.dvc` or `dvc checkout` brings it")
    images = find_images(data)
    if images and not any(data.glob("*.csv")):
        catalog = Catalog(entries=list_entries(data, images, scale=scale), archives={})
    else:
        catalog = _joined([read_catalog(_path_of(data, name)) for name in names])
    check_unique_paths(catalog.entries)
    if not catalog.entries:
        raise ValueError(f"no images: download.catalogs is {names}, and {data} has none itself")
    return catalog


def _path_of(data: Path, name: str) -> Path:
    path = data / f"{name}.csv"
    if not path.is_file():
        known = sorted(file.stem for file in data.glob("*.csv"))
        raise ValueError(
            f"download.catalogs names {name!r}; {data} has the catalogs {known}, and where there "
            "are catalogs, images beside them are not looked at"
        )
    return path


def _joined(catalogs: list[Catalog]) -> Catalog:
    archives: dict[str, RemoteFile] = {}
    for catalog in catalogs:
        for name, origin in catalog.archives.items():
            if archives.setdefault(name, origin) != origin:
                raise ValueError(f"two catalogs say different things of the archive {name}")
    entries = [entry for catalog in catalogs for entry in catalog.entries]
    return Catalog(entries=entries, archives=archives)


def list_entries(
    folder: Path, images: list[Path], *, split: str = "", scale: int
) -> list[CatalogEntry]:
    """Images below train, val and test/<set>; without such folders, split by content.

    With `split` all of them belong to it, whatever folders they lie in.

    What lies below `lr/` is a provided LR: of the HR with the same path, then by `scale`, or of the
    HR whose name is followed by x2, x3, x4 or x8, which says its scale.

    Raises:
        ValueError: if a image lies outside of the folders, an LR has no HR, or there are too few.
    """
    hr = [path for path in images if path.relative_to(folder).parts[0] != LR]
    hashes = {path: _sha256(path) for path in hr}
    sorted_already = not split and any((folder / name).is_dir() for name in SPLITS)
    if split:
        splits = dict.fromkeys(hr, split)
    else:
        # what cannot be read is told when it is fetched
        known = {path: sha256 or _name_hash(path) for path, sha256 in hashes.items()}
        splits = {} if sorted_already else split_by_content(known)
    entries: dict[PurePosixPath, CatalogEntry] = {}
    for path in hr:
        inside = PurePosixPath(path.relative_to(folder))
        folders = inside.parts[:-1]
        if sorted_already and folders[:1] not in {(split,) for split in SPLITS}:
            raise ValueError(f"{path} lies outside train, val and test in {folder}; move it")
        its_split = folders[0] if sorted_already else splits[path]
        inner = folders[1:] if sorted_already else folders
        is_test_set = sorted_already and its_split == "test" and inner
        if (other := entries.get(inside.with_suffix(""))) is not None:
            raise ValueError(f"{path} and {other.origin} differ in their suffix alone; rename one")
        entries[inside.with_suffix("")] = CatalogEntry(
            name="_".join([*(inner[1:] if is_test_set else inner), path.stem]),
            split=its_split,
            set=inner[0] if is_test_set else "own",
            source=_local(path, hashes[path]),
            origin=str(path),
        )
    provided = [
        _provided(path, PurePosixPath(path.relative_to(folder / LR)), entries, scale)
        for path in images
        if path not in hashes
    ]
    return [*entries.values(), *provided]


def _local(path: Path, sha256: str) -> RemoteFile:
    return RemoteFile(
        uri=quote(str(path)), expected=ExpectedFile(bytes=path.stat().st_size, sha256=sha256)
    )


def _provided(
    path: Path, inside: PurePosixPath, hr: Mapping[PurePosixPath, CatalogEntry], scale: int
) -> CatalogEntry:
    stem = inside.with_suffix("")
    partner = hr.get(stem)
    if partner is None and (named := re.fullmatch(r"(.+?)_?x([2348])", stem.name)):
        partner, scale = hr.get(stem.with_name(named[1])), int(named[2])
    if partner is None:
        raise ValueError(f"{path} is the LR of nothing; remove it, or give it the name of its HR")
    source = _local(path, _sha256(path))
    return replace(partner, kind=f"lrx{scale}", source=source, origin=str(path))


def _sha256(path: Path) -> str:
    try:
        path.name.encode()
    except UnicodeError as error:
        raise ValueError(f"{path!r} has a name that is no UTF-8; rename it") from error
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _name_hash(path: Path) -> str:
    return hashlib.sha256(path.name.encode()).hexdigest()


def split_by_content(hashes: Mapping[Path, str]) -> dict[Path, str]:
    """About a tenth each for test and validation, by sha256.

    A image keeps its split whatever else comes or goes. A split left empty by chance gets
    the nearest image.

    Raises:
        ValueError: for fewer than three different images.
    """
    if len(set(hashes.values())) < 3:
        raise ValueError("at least 3 different images are needed: train, val and test")
    # equal contents go together, so that a duplicate is never in two splits by this function
    contents = sorted(set(hashes.values()))
    tenth = 0x1999_9999
    of = {
        content: "test"
        if (head := int(content[:8], 16)) < tenth
        else "val"
        if head < 2 * tenth
        else "train"
        for content in contents
    }
    for position, split in ((-1, "train"), (0, "test"), (1, "val")):
        if split not in of.values():
            of[contents[position]] = split
    return {path: of[content] for path, content in hashes.items()}
