"""Image files with metadata, put together byte by byte."""

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import imagecodecs
from PIL import Image

from tests.support.images import png_chunk
from tests.support.tag_bytes import (
    BYTE,
    LONG,
    LONG_TEXT,
    UNDEFINED,
    Tags,
    directory,
    exif_bytes,
    exif_fields,
    iptc_records,
    photoshop_resource,
    resolution,
    whole_xmp,
    xmp_packet,
)


def tag_png(data: bytes, tags: Tags, icc: bytes) -> bytes:
    chunks = [*tags.colors]
    if icc:
        chunks.append((b"iCCP", b"profile\0\0" + zlib.compress(icc)))
    if tags.dpi[0]:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(one / 0.0254) for one in tags.dpi), 1)))
    if tags.exif or tags.orientation:
        chunks.append((b"eXIf", exif_bytes(replace(tags, dpi=(0, 0)))))
    if xmp := whole_xmp(tags):
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    if tags.iptc:
        found = photoshop_resource(iptc_records())
        text = f"\niptc\n{len(found):8}\n{found.hex()}\n".encode()
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    return data[:33] + b"".join(png_chunk(*one) for one in (*chunks, *tags.texts)) + data[33:]


def tag_jpeg(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """Segments after the first, of which JFIF's has the resolution."""
    segments: list[tuple[int, bytes]] = []
    in_exif = replace(tags, dpi=(0, 0)) if data[2:4] == b"\xff\xe0" else tags
    if in_exif.exif or in_exif.orientation or in_exif.dpi[0]:
        segments.append((0xE1, b"Exif\0\0" + exif_bytes(in_exif)))
    if xmp := whole_xmp(tags):
        extension = xmp_packet(Tags(), f"<dc:description>{LONG_TEXT}</dc:description>")
        digest = hashlib.md5(extension).hexdigest().upper()
        if tags.long_xmp:
            xmp = xmp_packet(tags, f"<note:HasExtendedXMP>{digest}</note:HasExtendedXMP>")
        segments.append((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
        for start in range(0, len(extension) if tags.long_xmp else 0, 60000):
            head = b"http://ns.adobe.com/xmp/extension/\0" + digest.encode()
            head += struct.pack(">II", len(extension), start)
            segments.append((0xE1, head + extension[start : start + 60000]))
    if icc:
        segments.append((0xE2, b"ICC_PROFILE\0\1\1" + icc))
    if tags.iptc:
        segments.append((0xED, b"Photoshop 3.0\0" + photoshop_resource(iptc_records())))
    if tags.comment:
        segments.append((0xFE, tags.comment))
    head, rest = data[:2], data[2:]
    if rest[:2] == b"\xff\xe0":
        length = struct.unpack(">H", rest[2:4])[0]
        head, rest = head + rest[: 2 + length], rest[2 + length :]
        if tags.dpi[0]:
            head = head[:13] + struct.pack(">BHH", 1, *tags.dpi) + head[18:]
    packed = (struct.pack(">BBH", 0xFF, one, len(part) + 2) + part for one, part in segments)
    return head + b"".join(packed) + rest


def tag_webp(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """Chunks in the extended layout of WebP."""
    chunks = riff_chunks(data)
    width, height, alpha = webp_size(chunks)
    exif = exif_bytes(tags) if tags.exif or tags.orientation or tags.dpi[0] else b""
    xmp = whole_xmp(tags)
    flags = 32 * bool(icc) | 16 * alpha | 8 * bool(exif) | 4 * bool(xmp)
    if not flags & ~16:
        return data
    head = struct.pack("<I", flags) + b"".join(
        struct.pack("<I", one - 1)[:3] for one in (width, height)
    )
    images = [one for one in chunks if one[0] != b"VP8X"]
    extra = [(b"EXIF", exif)] * bool(exif) + [(b"XMP ", xmp)] * bool(xmp)
    parts = [(b"VP8X", head)] + [(b"ICCP", icc)] * bool(icc) + images + extra
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(name, content) of the chunks of a WebP."""
    found, at = [], 12
    while at < len(data):
        (length,) = struct.unpack("<I", data[at + 4 : at + 8])
        found.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def webp_size(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int, bool]:
    """(width, height, has alpha)."""
    parts = dict(chunks)
    if b"VP8X" in parts:
        content = parts[b"VP8X"]
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (4, 7))
        return width, height, bool(content[0] & 16)
    if b"VP8L" in parts:
        bits = int.from_bytes(parts[b"VP8L"][1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = struct.unpack("<HH", parts[b"VP8 "][6:10])
    return width & 0x3FFF, height & 0x3FFF, False


def tag_tiff(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """A second first directory at the end of the file, with further entries."""
    order = "<" if data[:2] == b"II" else ">"
    fields, inner = exif_fields(tags, order)
    if tags.dpi[0]:
        fields |= resolution(tags.dpi, order)
    if xmp := whole_xmp(tags):
        fields[700] = (BYTE, xmp)
    if tags.iptc:
        fields[33723] = (UNDEFINED, iptc_records())
    if icc:
        fields[34675] = (UNDEFINED, icc)
    if not fields:
        return data
    at = struct.unpack(f"{order}I", data[4:8])[0]
    (count,) = struct.unpack(f"{order}H", data[at : at + 2])
    table = [data[at + 2 + 12 * one : at + 14 + 12 * one] for one in range(count)]
    rows = {struct.unpack(f"{order}H", row[:2])[0]: row for row in table}
    (following,) = struct.unpack(f"{order}I", data[at + 2 + 12 * count : at + 6 + 12 * count])
    data += b"\0" * (len(data) % 2)
    for tag, content in inner.items():
        fields[tag] = (LONG, struct.pack(f"{order}I", len(data)))
        data += directory(content, len(data), order)
    head = data[:4] + struct.pack(f"{order}I", len(data))
    return head + data[8:] + directory(fields, len(data), order, following, rows)


def tag_gif(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """Extensions after the color table, which has 256 entries."""
    extensions = b""
    if tags.comment:
        extensions += b"\x21\xfe" + bytes([len(tags.comment)]) + tags.comment + b"\0"
    if xmp := whole_xmp(tags):
        magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"
        extensions += b"\x21\xff\x0bXMP DataXMP" + xmp + magic
    return data[:781] + extensions + data[781:]


def tag_bmp(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """The resolution in pixels per meter, or a profile by a header of the fifth version."""
    if icc:
        (size,) = struct.unpack("<I", data[14:18])
        rest = data[14 + size :]
        masks = data[54:70] if size > 40 else bytes(16)
        place = struct.pack("<III", 124 + len(rest), len(icc), 0)
        header = struct.pack("<I", 124) + data[18:54] + masks + b"DEBM" + bytes(52) + place
        start = struct.pack("<I", struct.unpack("<I", data[10:14])[0] + 124 - size)
        return data[:10] + start + header + rest + icc
    if not tags.dpi[0]:
        return data
    return data[:38] + struct.pack("<ii", *(round(one / 0.0254) for one in tags.dpi)) + data[46:]


def tag_jp2(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """Boxes before the pixels."""
    boxes = b""
    for kind, content in (
        (bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), whole_xmp(tags)),
        (b"JpgTiffExif->JP2", exif_bytes(tags) if tags.exif or tags.orientation else b""),
        (bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"), iptc_records() if tags.iptc else b""),
    ):
        if content:
            boxes += struct.pack(">I4s", 24 + len(content), b"uuid") + kind + content
    at = data.index(b"jp2c") - 4
    return data[:at] + boxes + data[at:]


def tag_avif(data: bytes, tags: Tags, icc: bytes) -> bytes:
    """Encoded again by Pillow, and the description of its colors changed."""
    buffer = BytesIO()
    Image.fromarray(imagecodecs.avif_decode(data)).save(
        buffer, format="AVIF", quality=100, subsampling="4:4:4", speed=10, icc_profile=icc,
        exif=exif_bytes(tags) if tags.exif or tags.orientation else b"", xmp=whole_xmp(tags),
    )  # fmt: skip
    found = buffer.getvalue()
    if tags.colors:
        described = struct.pack(">HH", *tags.colors[0][1][:2])
        at = found.index(b"colrnclx") + 8
        found = found[:at] + described + found[at + 4 :]
    return found


PUT: dict[str, Callable[[bytes, Tags, bytes], bytes]] = {
    "png": tag_png, "jpg": tag_jpeg, "webp": tag_webp, "tif": tag_tiff, "gif": tag_gif,
    "bmp": tag_bmp, "jp2": tag_jp2, "avif": tag_avif,
}  # fmt: skip
