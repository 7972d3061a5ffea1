"""Archives, which are never trusted: read member by member, into files that we name ourselves.

An archive with anything that a image archive has no need of (links, devices, paths that leave
it, names that come twice, more than it declares) is refused as a whole, before anything is
written. Zip (stored or deflated) and tar, plain or gzipped, are read.
"""

import gzip
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from esrgan_core.files import atomic_path
from pipelines.runtime.disk import require_disk_space
from pipelines.sources.locations import normalize_name

BLOCK = 512
"""Of a tar file."""
ZIP_HEADER = 30
"""Bytes of a member's own header in a zip file, without its name."""
LONGEST_HEADER = 64 * 1024
"""Bytes of an extended header of a tar file, which has to be read into memory."""
RESIZING = re.compile(rb"\d+ (size|GNU\.sparse\.[a-z.]+)=")
"""Entries of extended headers by which a member is longer than its own header says."""
UTF8_FLAG = 0x800
PIECE = 1024 * 1024
SMALL = 1024 * 1024
"""Bytes below which a member's ratio says nothing: an empty page packs as well as a bomb."""
UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError,
    NotImplementedError, RuntimeError, UnicodeError, ValueError, OverflowError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an archive may hold."""

    members: int = 100_000
    bytes: int = 200 * 10**9
    """Of all members together, unpacked."""
    ratio: float = 100
    """Unpacked to packed bytes; images are packed already and come to about 1, a list of labels
    or a white page to more."""


class BadArchiveError(ValueError):
    """An archive that is damaged, or has something that no image archive needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    name: str
    bytes: int
    packed: int
    is_file: bool
    refusal: str


def unpack(archive: Path, wanted: Mapping[str, Path], limits: Limits) -> Iterator[tuple[str, str]]:
    """Write the members `wanted` to the paths given with them.

    Yields:
        (name, problem) of each member: "" when it is there, else why it could not be had.

    Raises:
        BadArchiveError: before anything is written, if the archive is damaged in its directory
            or hostile; later if the rest of it cannot be read.
        OSError: before anything is written, if the members do not fit on the disk.
    """
    try:
        match _kind(archive):
            case "zip":
                yield from _unpack_zip(archive, wanted, limits)
            case packing:
                yield from _unpack_tar(archive, packing, wanted, limits)
    except BadArchiveError:
        raise
    except UNREADABLE as error:
        raise BadArchiveError(f"damaged ({error}); fetch it again") from error


def _kind(archive: Path) -> Literal["zip", "tar", "tar.gz"]:
    """What an archive is by its own bytes; libraries that try all packings are bombs themselves."""
    with archive.open("rb") as file:
        head = file.read(BLOCK)
    if head[:2] == b"\x1f\x8b":
        return "tar.gz"
    if head[257:262] == b"ustar":
        return "tar"
    if head[:6] == b"\xfd7zXZ\0" or head[:3] == b"BZh":
        raise BadArchiveError("is packed with xz or bzip2; only plain and gzipped tar is read")
    if zipfile.is_zipfile(archive):
        return "zip"
    raise BadArchiveError("neither zip nor tar")


def _unpack_zip(
    archive: Path, wanted: Mapping[str, Path], limits: Limits
) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(archive) as file:
        missing = _require(_zip_members(file), archive, wanted, limits)
        yield from missing
        for info in file.infolist():
            name = normalize_name(_zip_name(info))
            if (target := wanted.get(name)) and not info.is_dir():
                try:
                    with file.open(info) as source:
                        _write(source, target, info.file_size)
                except UNREADABLE as error:
                    yield name, f"damaged in the archive ({error})"
                else:
                    yield name, ""


def _unpack_tar(
    archive: Path, packing: str, wanted: Mapping[str, Path], limits: Limits
) -> Iterator[tuple[str, str]]:
    _check_headers(archive, limits, zipped=packing == "tar.gz")
    opened = partial(tarfile.open, archive, "r:gz" if packing == "tar.gz" else "r:")
    with opened() as tar:
        missing = _require(_tar_members(tar), archive, wanted, limits)
    yield from missing
    with opened() as tar:
        for member in tar:
            name = normalize_name(member.name)
            if (target := wanted.get(name)) and member.isreg():
                content = tar.extractfile(member)
                assert content is not None, "it is a regular file"
                _write(content, target, member.size)
                yield name, ""


def _require(
    members: Iterable[_Member], archive: Path, wanted: Mapping[str, Path], limits: Limits
) -> list[tuple[str, str]]:
    """Refuse the archive, or say of members wanted that it does not have them."""
    seen: set[str] = set()
    total = needed = 0
    most = min(limits.bytes, int(limits.ratio * archive.stat().st_size) + SMALL)
    for count, member in enumerate(members, start=1):
        refusal = member.refusal or _refused_name(member.name)
        if not refusal and member.is_file and member.name in seen:
            refusal = "comes twice"
        if not refusal and member.bytes > limits.ratio * member.packed + SMALL:
            refusal = f"unpacks to more than {limits.ratio:g} times its size"
        if refusal:
            raise BadArchiveError(f"the member {member.name!r} {refusal}; not unpacked")
        if member.is_file:
            seen.add(member.name)
        total += member.bytes
        needed += member.bytes if member.name in wanted else 0
        if count > limits.members:
            raise BadArchiveError(f"has more than {limits.members} members; not unpacked")
        if total > most:
            raise BadArchiveError(f"unpacks to more than {most} bytes; not unpacked")
    require_disk_space({target.parent: needed for target in list(wanted.values())[:1]})
    return [(name, "no such file in the archive") for name in sorted(wanted.keys() - seen)]


def _refused_name(name: str) -> str:
    """Why no file may be called so; "" if one may."""
    parts = re.split(r"[/\\]", name)
    if not name or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in parts:
        return "leaves the archive by '..'"
    if any(ord(letter) < 32 for letter in name):
        return "has control characters in its name"
    return ""


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    free_from = 0
    for info in sorted(file.infolist(), key=lambda info: info.header_offset):
        mode = info.external_attr >> 16
        refusal = ""
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            refusal = "is a link or a device"
        elif info.header_offset < free_from:
            refusal = "shares bytes with another"
        elif info.flag_bits & 1:
            refusal = "is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refusal = "is packed in a way that we do not read"
        free_from = info.header_offset + ZIP_HEADER + info.compress_size
        yield _Member(
            name=normalize_name(_zip_name(info)),
            bytes=info.file_size,
            packed=info.compress_size,
            is_file=not info.is_dir(),
            refusal=refusal,
        )


def _zip_name(info: zipfile.ZipInfo) -> str:
    """A member's name: whole, where the library cuts it at a NUL, and in UTF-8 without the flag."""
    if "\0" in info.orig_filename:
        return info.orig_filename
    if not info.flag_bits & UTF8_FLAG:
        with suppress(UnicodeError):
            return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _check_headers(archive: Path, limits: Limits, *, zipped: bool) -> None:
    """Walk a tar file's headers ourselves: the library reads extended ones of any size at once."""
    packed = archive.stat().st_size
    count = position = 0
    with archive.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if zipped else raw
        while len(block := file.read(BLOCK)) == BLOCK and block.strip(b"\0"):
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            extended = info.type in (b"x", b"g", b"X", b"L", b"K")
            if info.size < 0 or (extended and info.size > LONGEST_HEADER):
                raise BadArchiveError(f"has a header of {info.size} bytes; not unpacked")
            body = -(-info.size // BLOCK) * BLOCK if info.isreg() or extended else 0
            position += BLOCK + body
            count += 1
            if count > 3 * limits.members:
                raise BadArchiveError(f"has more than {limits.members} members; not unpacked")
            if zipped and position > limits.ratio * packed + SMALL:
                raise BadArchiveError(f"unpacks to more than {limits.ratio:g} times its size")
            # with another size the library would go on elsewhere than we do
            if extended and RESIZING.search(file.read(body)):
                raise BadArchiveError("has a header that changes the size of a member")
            if not extended:
                _skip(file, body)


def _skip(file: gzip.GzipFile | IO[bytes], count: int) -> None:
    if not isinstance(file, gzip.GzipFile):
        file.seek(count, 1)
        return
    while count > 0 and (piece := file.read(min(count, PIECE))):
        count -= len(piece)


def _tar_members(file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        refusal = ""
        if info.issym() or info.islnk():
            refusal = f"is a link to {info.linkname!r}"
        elif info.issparse():
            refusal = "is a sparse file"
        elif not (info.isreg() or info.isdir()):
            refusal = "is a device or a pipe"
        yield _Member(
            name=normalize_name(info.name),
            bytes=info.size,
            packed=info.size,
            is_file=info.isreg(),
            refusal=refusal,
        )


def _write(source: IO[bytes], target: Path, size: int) -> None:
    """Copy a member; one that is not as long as its archive says is no image of ours."""
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file, PIECE)
            written = file.tell()
        if written != size:
            raise BadArchiveError(f"{target.name} has {written} bytes, not the {size} declared")
