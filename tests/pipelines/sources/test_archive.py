import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from pipelines.sources.archive import BadArchiveError, unpack

CONTENT = b"an image, for example" * 100
LIMITS = {"MEMBERS": 50, "BYTES": 10_000_000, "RATIO": 20}


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in LIMITS.items():
        monkeypatch.setattr(f"pipelines.sources.archive.MAX_{name}", limit)


def zipped(path: Path, *members: zipfile.ZipInfo | str, content: bytes = CONTENT) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("set/a.png", CONTENT)
        for member in members:
            file.writestr(member, content)


def info(name: str, mode: int = 0o100644, *, deflated: bool = False) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    return made


def tarred(path: Path, *members: tarfile.TarInfo, mode: str = "w") -> None:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]  # any mode
        for member in (regular("set/a.png"), *members):
            file.addfile(member, io.BytesIO(CONTENT) if member.isreg() else None)


def regular(name: str) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = len(CONTENT)
    return made


def special(kind: bytes, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo("set/b.png")
    made.type, made.linkname = kind, link
    return made


def spoiled(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def zip_with_other_name_inside(path: Path) -> None:
    zipped(path, "set/b.png")
    data = path.read_bytes()
    at = data.index(b"set/b.png")
    path.write_bytes(data[:at] + b"set/c.png" + data[at + 9 :])


def encrypted(path: Path) -> None:
    zipped(path)
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def zip_that_lies_about_its_size(path: Path) -> None:
    zipped(path, info("set/b.png", deflated=True), content=bytes(1_000_000))
    spoiled(path, struct.pack("<I", 1_000_000), struct.pack("<I", 1000))


def overlapping(path: Path) -> None:
    """Many members in one body, the way of the known bomb."""
    zipped(path, content=b"")
    body = path.read_bytes()
    end = body.index(b"PK\x05\x06")
    central = body[body.index(b"PK\x01\x02") : end]
    names = [central.replace(b"set/a.png", b"set/%d.png" % number) for number in range(9)]
    directory = central + b"".join(names)
    tail = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, 10, 10, len(directory), end - len(central), 0
    )
    path.write_bytes(body[: end - len(central)] + directory + tail)


def huge_header(path: Path) -> None:
    """An extended header that unpacks to 200 MB of memory."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 200_000_000
    with gzip.open(path, "wb") as file:
        file.write(header.tobuf())
        for _ in range(200):
            file.write(bytes(1_000_000))


def resizing(path: Path) -> None:
    """The header says 0 bytes, an extended one before it 1024: what follows is seen by one."""
    member = tarfile.TarInfo("set/b.png")
    member.size, member.pax_headers = 0, {"size": "1024"}
    with gzip.open(path, "wb") as file:
        file.write(member.tobuf(tarfile.PAX_FORMAT))
        file.write(bytes(4096))


def sparse(path: Path) -> None:
    made = tarfile.TarInfo("set/b.png")
    made.type = tarfile.GNUTYPE_SPARSE
    tarred(path, made)


def cut(path: Path, make: Callable[[Path], None], keep: float = 0.5) -> None:
    make(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])


def page(path: Path) -> None:
    path.write_bytes(b"<html>Not found</html>" * 99)


def flipped(path: Path) -> None:
    zipped(path)
    spoiled(path, CONTENT[:200], CONTENT[:199] + b"!")


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "zip, absolute": (lambda p: zipped(p, "/etc/b.png"), "has an absolute path"),
    "zip, up": (lambda p: zipped(p, "set/../../b.png"), "leads out of the archive by '..'"),
    "zip, up by backslash": (lambda p: zipped(p, "set\\..\\..\\b.png"), "leads out of the archive"),
    "zip, drive": (lambda p: zipped(p, "C:/b.png"), "has an absolute path"),
    "zip, link": (lambda p: zipped(p, info("set/b.png", 0o120777)), "is a link"),
    "zip, device": (lambda p: zipped(p, info("set/b.png", 0o060777)), "is a link or a device"),
    "zip, twice": (lambda p: zipped(p, "set/./a.png"), "occurs twice"),
    "zip, many": (lambda p: zipped(p, *(f"{n}.png" for n in range(60))), "more than 50 members"),
    "zip, bomb": (
        lambda p: zipped(p, info("set/b.png", deflated=True), content=bytes(9_000_000)),
        "more than 20 times its size",
    ),
    "zip, too much": (
        lambda p: zipped(p, "b.png", content=bytes(11_000_000)), "more than 10000000 bytes"
    ),
    "zip, encrypted": (encrypted, "is encrypted"),
    "zip, control characters": (lambda p: zipped(p, "set/b\n.png"), "control characters"),
    "zip, two names": (zip_with_other_name_inside, "damaged"),
    "zip, false size": (zip_that_lies_about_its_size, "damaged"),
    "zip, overlapping": (overlapping, "shares bytes"),
    "zip, cut": (lambda p: cut(p, zipped), "neither zip nor tar"),
    "zip, flipped": (flipped, "damaged"),
    "tar, absolute": (lambda p: tarred(p, regular("/etc/b.png")), "has an absolute path"),
    "tar, up": (lambda p: tarred(p, regular("../b.png")), "leads out of the archive by '..'"),
    "tar, symbolic link": (lambda p: tarred(p, special(tarfile.SYMTYPE, "/etc")), "is a link to"),
    "tar, hard link": (lambda p: tarred(p, special(tarfile.LNKTYPE, "set/a.png")), "is a link to"),
    "tar, device": (lambda p: tarred(p, special(tarfile.BLKTYPE)), "is a device or a pipe"),
    "tar, pipe": (lambda p: tarred(p, special(tarfile.FIFOTYPE)), "is a device or a pipe"),
    "tar, twice": (lambda p: tarred(p, regular("./set//a.png")), "occurs twice"),
    "tar, many": (
        lambda p: tarred(p, *(regular(f"{n}.png") for n in range(60))), "more than 50 members"
    ),
    "tar, sparse": (sparse, "sparse"),
    "tar, huge header": (huge_header, "a header of 200000000 bytes"),
    "tar, cut": (lambda p: cut(p, tarred, 0.2), "damaged"),
    "tar.gz, cut": (lambda p: cut(p, lambda q: tarred(q, mode="w:gz")), "damaged"),
    "tar.gz, header that resizes": (resizing, "changes the size of a member"),
    "tar.xz": (lambda p: tarred(p, mode="w:xz"), "packed with xz"),
    "no archive": (page, "neither"),
}  # fmt: skip


FOUND_WHEN_READ = ("zip, two names", "zip, false size")
OF_ONE_MEMBER = (*FOUND_WHEN_READ, "zip, flipped")


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_written_from_hostile_and_damaged_archives(tmp_path: Path, name: str) -> None:
    make, message = HOSTILE[name]
    make(tmp_path / "archive")
    member = "set/b.png" if name in FOUND_WHEN_READ else "set/a.png"
    wanted = {member: tmp_path / "out" / "image.png"}
    if name in OF_ONE_MEMBER:
        ((found, problem),) = unpack(tmp_path / "archive", wanted)
        assert found == member
        assert message in problem
    else:
        with pytest.raises(BadArchiveError, match=message):
            list(unpack(tmp_path / "archive", wanted))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["archive"]


@pytest.mark.parametrize(
    "make", [zipped, tarred, lambda path: tarred(path, mode="w:gz")], ids=["zip", "tar", "tar.gz"]
)
def test_members_are_written_byte_for_byte_to_their_targets(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "archive")
    target = tmp_path / "out" / "other name.png"
    assert list(unpack(tmp_path / "archive", {"set/a.png": target})) == [("set/a.png", "")]
    assert target.read_bytes() == CONTENT


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    zipped(tmp_path / "archive")
    wanted = {f"set/{n}.png": tmp_path / f"{n}.png" for n in "ab"}
    found = dict(unpack(tmp_path / "archive", wanted))
    assert found == {"set/a.png": "", "set/b.png": "no such file in the archive"}


def test_deflated_images_are_not_a_bomb(tmp_path: Path) -> None:
    zipped(tmp_path / "archive", info("set/b.bmp", deflated=True), content=bytes(range(256)) * 200)
    targets = {"set/b.bmp": tmp_path / "b.bmp"}
    assert list(unpack(tmp_path / "archive", targets)) == [("set/b.bmp", "")]
    assert crc32((tmp_path / "b.bmp").read_bytes()) == crc32(bytes(range(256)) * 200)


def test_unusual_but_harmless_archives_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("set/", b"")
        file.writestr("__MACOSX/._a.png", b"")
        file.writestr("labels.json", b" " * 100_000, zipfile.ZIP_DEFLATED)
        file.writestr("set/ü.png", CONTENT)
    data = (tmp_path / "a.zip").read_bytes()
    # as some programs write it: UTF-8 without saying so
    (tmp_path / "a.zip").write_bytes(data.replace(b"\x14\x00\x00\x08", b"\x14\x00\x00\x00"))
    assert dict(unpack(tmp_path / "a.zip", {"set/ü.png": tmp_path / "u"})) == {"set/ü.png": ""}
    folder = tarfile.TarInfo("set")
    folder.type = tarfile.DIRTYPE
    tarred(tmp_path / "a.tar", folder, folder)
    assert dict(unpack(tmp_path / "a.tar", {"set/a.png": tmp_path / "v"})) == {"set/a.png": ""}
