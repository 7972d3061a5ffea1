"""Metadata of results, read byte by byte."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.tag_bytes import EXIF_IFD, GPS_IFD
from tests.support.tagged import riff_chunks

FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 7: "s", 8: "h", 9: "i", 10: "ii", 13: "I"}
Values = dict[tuple[int, int], object]
"""Values by (tag that points to the directory, tag); 0 is the first directory."""


@dataclass(kw_only=True, slots=True)
class Found:
    """What a file holds; empty values are absent."""

    exif: Values = field(default_factory=dict)
    thumbnail: bool = False
    xmp: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Chunks of PNG."""
    comments: list[bytes] = field(default_factory=list)
    iptc: bytes = b""
    colors: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Chunks of PNG."""


def read_directories(data: bytes) -> tuple[Values, bool]:
    """(values of a TIFF or of EXIF, whether there is a second directory)."""
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    (start,) = struct.unpack(f"{order}I", data[4:8])
    found: Values = {}
    second = False
    waiting = [(0, start)]
    while waiting:
        pointer, at = waiting.pop()
        (count,) = struct.unpack(f"{order}H", data[at : at + 2])
        for number in range(count):
            row = data[at + 2 + 12 * number : at + 14 + 12 * number]
            tag, kind, values = struct.unpack(f"{order}HHI", row[:8])
            format_ = FORMATS.get(kind)
            if format_ is None:
                continue
            text = format_ == "s"
            length = values if text else struct.calcsize(f"<{format_}") * values
            offset = struct.unpack(f"{order}I", row[8:])[0]
            content = row[8 : 8 + length] if length <= 4 else data[offset : offset + length]
            assert len(content) == length, f"tag {tag} lies outside of the file"
            found[pointer, tag] = (
                content if text else struct.unpack(f"{order}{format_ * values}", content)
            )
            if tag in (EXIF_IFD, GPS_IFD):
                waiting.append((tag, offset))
        if not pointer:
            end = at + 2 + 12 * count
            second = data[end : end + 4] != bytes(4)
    return found, second


def tiff_dpi(values: Values) -> tuple[float, float] | None:
    """The resolution of TIFF's tags."""
    x, y = values.get((0, 282)), values.get((0, 283))
    if not (isinstance(x, tuple) and isinstance(y, tuple)) or not x[0]:
        return None
    factor = 2.54 if values.get((0, 296)) == (3,) else 1.0
    return x[0] / x[1] * factor, y[0] / y[1] * factor


def read_png_tags(data: bytes) -> Found:
    found, at = Found(), 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        crc = struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        assert crc == zlib.crc32(name + content)
        at += 12 + length
        match name:
            case b"eXIf":
                found.exif, found.thumbnail = read_directories(content)
            case b"iCCP":
                found.icc = zlib.decompress(content.split(b"\0", 1)[1][1:])
            case b"pHYs":
                x, y, unit = struct.unpack(">IIB", content)
                found.dpi = (x * 0.0254, y * 0.0254) if unit else None
            case b"iTXt" if content.startswith(b"XML:com.adobe.xmp\0"):
                text = content.split(b"\0\0\0", 1)[1].split(b"\0", 1)[-1]
                found.xmp = content[content.index(b"<") :] if text else b""
            case b"zTXt" if content.startswith(b"Raw profile type iptc\0"):
                digits = zlib.decompress(content.split(b"\0", 1)[1][1:]).split(b"\n", 3)[3]
                found.iptc = in_photoshop(bytes.fromhex(digits.decode()))
            case b"tEXt" | b"zTXt" | b"iTXt":
                found.texts.append((name, content))
            case b"cICP" | b"gAMA" | b"cHRM" | b"sRGB":
                found.colors.append((name, content))
    return found


def in_photoshop(resources: bytes) -> bytes:
    """IPTC in Photoshop's resources."""
    if not resources.startswith(b"8BIM"):
        return resources
    at = 0
    while resources[at : at + 4] == b"8BIM":
        number, name = struct.unpack(">HB", resources[at + 4 : at + 7])
        start = at + 6 + (name + 2) // 2 * 2
        (length,) = struct.unpack(">I", resources[start : start + 4])
        if number == 0x0404:
            return resources[start + 4 : start + 4 + length]
        at = start + 4 + length + length % 2
    return b""


def read_jpeg_tags(data: bytes) -> Found:
    found, at = Found(), 2
    extension: dict[int, bytes] = {}
    exif_dpi = None
    while data[at + 1] != 0xDA:
        assert data[at] == 0xFF
        marker, length = struct.unpack(">BH", data[at + 1 : at + 4])
        content = data[at + 4 : at + 2 + length]
        at += 2 + length
        head, _, rest = content.partition(b"\0")
        match marker, head:
            case 0xE0, b"JFIF":
                unit, x, y = struct.unpack(">BHH", content[7:12])
                factor = {1: 1.0, 2: 2.54}.get(unit)
                found.dpi = (x * factor, y * factor) if factor else None
            case 0xE1, b"Exif":
                found.exif, found.thumbnail = read_directories(rest[1:])
                exif_dpi = tiff_dpi(found.exif)
            case 0xE1, b"http://ns.adobe.com/xap/1.0/":
                found.xmp = rest
            case 0xE1, b"http://ns.adobe.com/xmp/extension/":
                extension[struct.unpack(">I", rest[36:40])[0]] = rest[40:]
            case 0xE2, b"ICC_PROFILE":
                found.icc += rest[2:]
            case 0xED, b"Photoshop 3.0":
                found.iptc = in_photoshop(rest)
            case 0xFE, _:
                found.comments.append(content)
    found.xmp += b"".join(extension[start] for start in sorted(extension))
    found.dpi = found.dpi or exif_dpi
    return found


def read_webp_tags(data: bytes) -> Found:
    parts = dict(riff_chunks(data))
    found = Found(xmp=parts.get(b"XMP ", b""), icc=parts.get(b"ICCP", b""))
    if exif := parts.get(b"EXIF", b""):
        found.exif, found.thumbnail = read_directories(exif.removeprefix(b"Exif\0\0"))
        found.dpi = tiff_dpi(found.exif)
    return found


def read_tiff_tags(data: bytes) -> Found:
    values, second = read_directories(data)

    def content(tag: int) -> bytes:
        value = values.get((0, tag), b"")
        return value if isinstance(value, bytes) else bytes(value)  # type: ignore[call-overload]

    return Found(
        exif=values,
        thumbnail=second,
        xmp=content(700),
        icc=content(34675),
        iptc=content(33723),
        dpi=tiff_dpi(values),
    )


READ: dict[str, Callable[[bytes], Found]] = {
    "png": read_png_tags,
    "jpg": read_jpeg_tags,
    "webp": read_webp_tags,
    "tif": read_tiff_tags,
}
