"""Metadata written and read by exiv2, and files put together byte by byte."""

import struct
from collections.abc import Iterable, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

import exiv2
import numpy as np
import tifffile
from PIL import Image

from esrgan_core.io.decoded_image import Format
from esrgan_core.io.formats import convert_to
from esrgan_core.io.reading import read_image
from esrgan_core.io.writing import encode
from tests.support.images import png_chunk

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)


def saved(format_: str, **options: object) -> bytes:
    """The pixels as a file without metadata."""
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, format=format_, **options)
    return buffer.getvalue()


Tags = Mapping[str, str | bytes]


def tagged(
    data: bytes,
    exif: Tags,
    *,
    iptc: Tags = MappingProxyType({}),
    order: str = "littleEndian",
    thumbnail: bytes = b"",
) -> bytes:
    """Add EXIF and IPTC to a file."""
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    image.setByteOrder(getattr(exiv2.ByteOrder, order))
    for key, value in exif.items():
        image.exifData()[key] = exiv2.DataValue(value) if isinstance(value, bytes) else value
    if thumbnail:
        exiv2.ExifThumb(image.exifData()).setJpegThumbnail(thumbnail)
    for key, text in iptc.items():
        image.iptcData()[key] = text
    image.writeMetadata()
    with image.io().mmap() as written:
        return bytes(written)


def exif_bytes(tags: Tags, order: str = "littleEndian", thumbnail: bytes = b"") -> bytes:
    """EXIF as exiv2 writes it."""
    data = tagged(saved("WEBP"), tags, order=order, thumbnail=thumbnail)
    with Image.open(BytesIO(data)) as image:
        return bytes(image.info["exif"]).removeprefix(b"Exif\0\0")


def exif_of(data: bytes) -> dict[str, str]:
    """EXIF as exiv2 reads it, without tags of TIFF's coding."""
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    return {datum.key(): datum.toString() for datum in image.exifData()}


def iptc_of(data: bytes) -> dict[str, str]:
    """IPTC as exiv2 reads it."""
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    return {datum.key(): datum.toString() for datum in image.iptcData()}


def png_with(chunks: Iterable[tuple[bytes, bytes]], data: bytes = b"") -> bytes:
    """A PNG with chunks after its header."""
    data = data or saved("PNG")
    return data[:33] + b"".join(png_chunk(*one) for one in chunks) + data[33:]


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """(name, content) of all chunks."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def jpeg_with(segments: Iterable[tuple[int, bytes]], data: bytes = b"") -> bytes:
    """A JPEG with segments after its start."""
    data = data or saved("JPEG")
    packed = (
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in segments
    )
    return data[:2] + b"".join(packed) + data[2:]


def segments_of(jpeg: bytes) -> list[tuple[int, bytes]]:
    """(marker, content) of the segments before the pixels."""
    found, at = [], 2
    while jpeg[at + 1] != 0xDA:
        marker, length = struct.unpack(">xBH", jpeg[at : at + 4])
        found.append((marker, jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


def converted(data: bytes, format_: Format) -> tuple[bytes, tuple[str, ...]]:
    """(file, changes) of an image in another format."""
    image = convert_to(read_image(BytesIO(data)), format_)
    return encode(image, format_), image.changes


def tiff(values: np.ndarray, **options: Any) -> bytes:
    """A TIFF by tifffile."""
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        values,
        photometric="rgb" if values.ndim == 3 else "minisblack",
        **{"metadata": None, **options},
    )
    return buffer.getvalue()


def profile_of(length: int) -> bytes:
    """The header of an ICC profile and random bytes; no program looks further to copy it."""
    header = struct.pack(
        ">I4s8s4s16s4s", length, b"lcms", b"\4\0\0\0mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    return (header + np.random.default_rng(0).bytes(length))[:length]
