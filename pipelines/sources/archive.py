"""Untrusted archives, unpacked member by member into files whose paths the caller chooses.

Zip (stored or deflated) and tar, plain or gzipped, are read. An archive with anything that an
image archive does not need (links, devices, paths that lead out of it, duplicate names, more bytes
than it declares) is rejected before anything is written.
"""

import gzip
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from esrgan_core.files import atomic_path
from pipelines.config.errors import UserError
from pipelines.runtime.disk import require_disk_space
from pipelines.sources.locations import normalize_name

BLOCK = 512
"""Bytes of a block of a tar file."""
ZIP_HEADER = 30
"""Bytes of a member's local header in a zip file, without its name."""
LONGEST_HEADER = 64 * 1024
"""Bytes of an extended header of a tar file, which is read into memory."""
RESIZING = re.compile(rb"\d+ (size|GNU\.sparse\.[a-z.]+)=")
"""Entries of extended headers that change the size of a member."""
UTF8_FLAG = 0x800
MAX_MEMBERS = 100_000
MAX_BYTES = 200 * 10**9
"""Of all members together, unpacked."""
MAX_RATIO = 100
"""Unpacked to packed bytes; about 1 for images, more for text and blank pages."""
SMALL = 1024 * 1024
"""Bytes below which the compression ratio is not checked: a blank page compresses like a bomb."""
TarMode = Literal["r:", "r:gz"]
Targets = Mapping[str, Path]
UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip


class BadArchiveError(UserError):
    """The archive is damaged or hostile."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    bytes: int
    packed: int
    is_file: bool
    problem: str


def unpack(archive: Path, targets: Targets) -> Iterator[tuple[str, str]]:
    """Write members to the paths in `targets`.

    Yields:
        (name, problem) of each member in `targets`; the problem is "" if the member is written.

    Raises:
        BadArchiveError: before anything is written, if the archive is hostile or its directory is
            damaged; later if the rest of it cannot be read.
        UserError: before anything is written, if the members do not fit on the disk.
    """
    try:
        if mode := _tar_mode(archive):
            yield from _unpack_tar(archive, mode, targets)
        else:
            yield from _unpack_zip(archive, targets)
    except UserError:
        raise
    except UNREADABLE as error:
        raise BadArchiveError(f"damaged ({error}); fetch it again") from error


def _tar_mode(archive: Path) -> TarMode | None:
    """Mode in which `tarfile` reads an archive, by its first bytes; None for a zip file."""
    with archive.open("rb") as file:
        head = file.read(BLOCK)
    if head[:2] == b"\x1f\x8b":
        return "r:gz"
    if head[257:262] == b"ustar":
        return "r:"
    if head[:6] == b"\xfd7zXZ\0" or head[:3] == b"BZh":
        raise BadArchiveError("packed with xz or bzip2; repack it as zip or gzipped tar")
    if zipfile.is_zipfile(archive):
        return None
    raise BadArchiveError("neither zip nor tar")


def _unpack_zip(archive: Path, targets: Targets) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(archive) as file:
        yield from _check_members(_zip_members(file), archive, targets)
        for info in file.infolist():
            name = normalize_name(_zip_name(info))
            if (target := targets.get(name)) and not info.is_dir():
                problem = ""
                try:
                    with file.open(info) as source:
                        _write(source, target, info.file_size)
                except UNREADABLE as error:
                    problem = f"damaged in the archive ({error})"
                yield name, problem


def _unpack_tar(archive: Path, mode: TarMode, targets: Targets) -> Iterator[tuple[str, str]]:
    _check_tar_headers(archive, mode)
    with tarfile.open(archive, mode) as tar:
        yield from _check_members(_tar_members(tar), archive, targets)
        for member in tar:
            name = normalize_name(member.name)
            if (target := targets.get(name)) and (content := tar.extractfile(member)):
                _write(content, target, member.size)
                yield name, ""


def _check_members(
    members: Iterable[_Member], archive: Path, targets: Targets
) -> list[tuple[str, str]]:
    """Check all members before any is written; returns those of `targets` that are missing."""
    seen: set[str] = set()
    total = needed = 0
    max_bytes = min(MAX_BYTES, MAX_RATIO * archive.stat().st_size + SMALL)
    for count, member in enumerate(members, start=1):
        problem = member.problem or _name_problem(member.name)
        if not problem and member.is_file and member.name in seen:
            problem = "occurs twice"
        if not problem and member.bytes > MAX_RATIO * member.packed + SMALL:
            problem = f"unpacks to more than {MAX_RATIO} times its size"
        if problem:
            raise BadArchiveError(f"the member {member.name!r} {problem}; not unpacked")
        if member.is_file:
            seen.add(member.name)
        total += member.bytes
        needed += member.bytes if member.name in targets else 0
        if count > MAX_MEMBERS:
            raise BadArchiveError(f"more than {MAX_MEMBERS} members; not unpacked")
        if total > max_bytes:
            raise BadArchiveError(f"unpacks to more than {max_bytes} bytes; not unpacked")
    require_disk_space({target.parent: needed for target in list(targets.values())[:1]})
    return [(name, "no such file in the archive") for name in sorted(targets.keys() - seen)]


def _name_problem(name: str) -> str:
    if not name or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "leads out of the archive by '..'"
    if any(ord(letter) < 32 for letter in name):
        return "has control characters in its name"
    return ""


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    end = 0
    for info in sorted(file.infolist(), key=lambda info: info.header_offset):
        problem = ""
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            problem = "is a link or a device"
        elif info.header_offset < end:
            problem = "shares bytes with another member"
        elif info.flag_bits & 1:
            problem = "is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = "has an unsupported compression"
        end = info.header_offset + ZIP_HEADER + info.compress_size
        name = normalize_name(_zip_name(info))
        yield _Member(name, info.file_size, info.compress_size, not info.is_dir(), problem)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Full name of a member: `zipfile` cuts it at a NUL, and reads UTF-8 without flag as cp437."""
    if "\0" in info.orig_filename:
        return info.orig_filename
    if not info.flag_bits & UTF8_FLAG:
        with suppress(UnicodeError):
            return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _check_tar_headers(archive: Path, mode: TarMode) -> None:
    """Check the size of all headers first: `tarfile` reads extended ones into memory."""
    packed = archive.stat().st_size
    position = 0
    with archive.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if mode == "r:gz" else raw
        while len(block := file.read(BLOCK)) == BLOCK and block.strip(b"\0"):
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            is_extended = info.type in (b"x", b"g", b"X", b"L", b"K")
            if info.size < 0 or (is_extended and info.size > LONGEST_HEADER):
                raise BadArchiveError(f"a header of {info.size} bytes; not unpacked")
            size = -(-info.size // BLOCK) * BLOCK if info.isreg() or is_extended else 0
            position += BLOCK + size
            if mode == "r:gz" and position > MAX_RATIO * packed + SMALL:
                raise BadArchiveError(f"unpacks to more than {MAX_RATIO} times its size")
            if not is_extended:
                file.seek(size, os.SEEK_CUR)
            # with another size `tarfile` would look for the next header elsewhere
            elif RESIZING.search(file.read(size)):
                raise BadArchiveError("a header changes the size of a member; not unpacked")


def _tar_members(file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        problem = ""
        if info.issym() or info.islnk():
            problem = f"is a link to {info.linkname!r}"
        elif info.issparse():
            problem = "is a sparse file"
        elif not (info.isreg() or info.isdir()):
            problem = "is a device or a pipe"
        yield _Member(normalize_name(info.name), info.size, info.size, info.isreg(), problem)


def _write(source: IO[bytes], target: Path, size: int) -> None:
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file)
            written = file.tell()
        if written != size:
            raise BadArchiveError(f"{target.name} has {written} bytes, not the {size} declared")
