"""Metadata of GIF, JPEG 2000, AVIF, BMP and PSD that Pillow does not read."""

import re
import struct
from collections.abc import Iterator
from dataclasses import replace

from esrgan_core.io.color_chunks import is_srgb
from esrgan_core.io.decoded_image import Metadata
from esrgan_core.io.photoshop import EXIF, RESOLUTION, XMP, parse_resources, with_photoshop
from esrgan_core.io.png_chunks import Chunk

XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC_BOX = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
EXIF_BOX = b"JpgTiffExif->JP2"
"""Identifiers of boxes of JPEG 2000."""
UNSPECIFIED = 2
"""Of primaries and transfer functions."""
GIF_XMP = re.compile(rb"\x21\xff\x0bXMP DataXMP(.*?)\x01\xff\xfe\xfd", re.DOTALL)
"""XMP in a GIF, with the beginning of the bytes that end it."""
GIF_ICC = b"\x21\xff\x0bICCRGBG1012"
EMBEDDED = b"DEBM"
"""A BMP's kind of colors that is a profile in the file."""


def gif_metadata(data: bytes, metadata: Metadata) -> Metadata:
    """Add what is in extensions of applications."""
    if found := GIF_XMP.search(data):
        metadata = replace(metadata, xmp=found[1])
    if GIF_ICC in data:
        metadata = metadata.losing("the ICC profile was dropped: colors may look different")
    return metadata


def jp2_metadata(data: bytes, metadata: Metadata) -> Metadata:
    """Add what is in boxes of JPEG 2000."""
    for name, content in _boxes(data):
        if name == b"xml ":
            metadata = metadata.losing("a box of JPEG 2000 with XML was dropped")
        if name != b"uuid":
            continue
        kind, value = content[:16], content[16:]
        if kind == XMP_BOX:
            metadata = replace(metadata, xmp=value)
        elif kind == EXIF_BOX:
            metadata = replace(metadata, exif=value)
        elif kind == IPTC_BOX:
            metadata = replace(metadata, iptc=value)
        else:
            metadata = metadata.losing(f"a box of JPEG 2000 was dropped: {kind.hex()}")
    return metadata


def avif_metadata(data: bytes, metadata: Metadata) -> Metadata:
    """Add the description of colors, which a profile overrides."""
    start = data.find(b"colrnclx")
    if start < 0 or metadata.icc:
        return metadata
    primaries, transfer = struct.unpack(">HH", data[start + 8 : start + 12])
    # decoded pixels are RGB in full range
    content = bytes((primaries & 0xFF, transfer & 0xFF, 0, 1))
    if UNSPECIFIED in (primaries, transfer) or is_srgb({b"cICP": content}):
        return metadata
    return replace(metadata, colors=(Chunk(b"cICP", content),))


def bmp_metadata(data: bytes, metadata: Metadata) -> Metadata:
    """Add the profile of a header of the fifth version."""
    if data[70:74] != EMBEDDED or struct.unpack("<I", data[14:18])[0] < 124:
        return metadata
    start, length = struct.unpack("<II", data[126:134])
    return replace(metadata, icc=data[14 + start : 14 + start + length])


def psd_metadata(data: bytes, metadata: Metadata) -> Metadata:
    """Add what Photoshop's resources hold."""
    # a header of 26 bytes, then a palette and the resources, each after its length
    start = 34 + int.from_bytes(data[26:30])
    resources = data[start : start + int.from_bytes(data[start - 4 : start])]
    found = parse_resources(resources)
    metadata = replace(metadata, exif=found.get(EXIF, b""), xmp=found.get(XMP, b""))
    if len(resolution := found.get(RESOLUTION, b"")) >= 12:
        x, y = struct.unpack(">I4xI", resolution[:12])
        metadata = replace(metadata, dpi=(x / 65536, y / 65536) if x and y else None)
    return with_photoshop(metadata, resources)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of the outermost boxes; a damaged one ends them."""
    at = 0 if data[4:8] == b"jP  " else len(data)
    while at + 16 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        start = at + 8
        if length == 1:
            length, start = struct.unpack(">Q", data[at + 8 : at + 16])[0], at + 16
        end = at + length if length else len(data)
        if not start <= end <= len(data):
            return
        yield name, data[start:end]
        at = end
