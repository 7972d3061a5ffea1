"""Segments of JPEG: EXIF, XMP, ICC, IPTC and comments."""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence

from esrgan_core.io.xmp import digest, extension_id, join_xmp, split_xmp

MAX_SEGMENT = 65533
"""Bytes of a segment's content."""
APP1, APP2, APP13, COMMENT = 0xE1, 0xE2, 0xED, 0xFE
END = 0xD9
MARKER = re.compile(rb"\xff+[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
"""Markers of segments, and of the end."""
EXIF_NAME = b"Exif\0\0"
ICC_NAME = b"ICC_PROFILE\0"
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_NAME = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP_NAME = b"Photoshop 3.0\0"
MAX_EXIF = MAX_SEGMENT - len(EXIF_NAME)
MAX_XMP = MAX_SEGMENT - len(XMP_NAME)
MAX_ICC = 255 * (MAX_SEGMENT - len(ICC_NAME) - 2)
KNOWN = {
    "APP0": (b"JFIF\0", b"JFXX\0"),
    "APP1": (EXIF_NAME, XMP_NAME, EXTENSION_NAME),
    "APP2": (ICC_NAME, b"MPF\0"),
    "APP12": (b"Ducky",),
    "APP13": (PHOTOSHOP_NAME,),
    "APP14": (b"Adobe",),
    "COM": (b"",),
}
"""Beginnings of segments that are read, or that describe the coding."""

Segment = tuple[int, bytes]
"""Marker and content."""


def segment_contents(segments: Iterable[tuple[str, bytes]], name: bytes) -> list[bytes]:
    """The contents of segments that begin with a name, without it."""
    return [content.removeprefix(name) for _, content in segments if content.startswith(name)]


def unknown_segments(segments: Iterable[tuple[str, bytes]]) -> list[str]:
    """Names of segments that nothing here reads."""
    names = (name for name, content in segments if not content.startswith(KNOWN.get(name, ())))
    return list(dict.fromkeys(names))


def read_xmp(segments: Sequence[tuple[str, bytes]]) -> tuple[bytes, str]:
    """The XMP with its extension, and why the extension could not be read."""
    xmp = next(iter(segment_contents(segments, XMP_NAME)), b"")
    if not (wanted := extension_id(xmp)):
        return xmp, ""
    # identifier, length of the whole and start of the part, in front of each part
    parts = {
        content[32:40]: content[40:]
        for content in segment_contents(segments, EXTENSION_NAME)
        if content[:32].decode("latin-1").upper() == wanted.upper()
    }
    extension = b"".join(parts[start] for start in sorted(parts))
    if digest(extension) != wanted.upper():
        return xmp, "its checksum is wrong"
    try:
        return join_xmp(xmp, extension), ""
    except ValueError as error:
        return xmp, str(error)


def after_image(jpeg: bytes) -> bytes:
    """What follows the end of the first image, such as a video of a phone; empty for padding."""
    at = 2
    while (found := MARKER.search(jpeg, at)) is not None:
        if found[0][-1] == END:
            rest = jpeg[found.end() :]
            return rest if rest.strip(b"\0") else b""
        # the length of a segment; the pixels after it have no markers but restarts
        at = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2])
    return b""


def exif_segment(exif: bytes) -> Segment:
    """EXIF of at most `MAX_EXIF` bytes."""
    return APP1, EXIF_NAME + exif


def xmp_segments(xmp: bytes) -> Iterator[Segment]:
    """XMP of any size.

    Raises:
        XmpTooLargeError: if it cannot be divided.
    """
    if len(xmp) <= MAX_XMP:
        yield APP1, XMP_NAME + xmp
        return
    packet, extension = split_xmp(xmp, MAX_XMP)
    yield APP1, XMP_NAME + packet
    name = EXTENSION_NAME + digest(extension).encode()
    for start, part in _parts(extension, MAX_SEGMENT - len(name) - 8):
        yield APP1, name + struct.pack(">II", len(extension), start) + part


def icc_segments(icc: bytes) -> Iterator[Segment]:
    """A profile of at most `MAX_ICC` bytes."""
    parts = list(_parts(icc, MAX_SEGMENT - len(ICC_NAME) - 2))
    for number, (_, part) in enumerate(parts, start=1):
        yield APP2, ICC_NAME + bytes((number, len(parts))) + part


def photoshop_segments(resources: bytes) -> Iterator[Segment]:
    """Photoshop's resources."""
    for _, part in _parts(resources, MAX_SEGMENT - len(PHOTOSHOP_NAME)):
        yield APP13, PHOTOSHOP_NAME + part


def comment_segments(comment: bytes) -> Iterator[Segment]:
    """A comment; a long one becomes several."""
    for _, part in _parts(comment, MAX_SEGMENT):
        yield COMMENT, part


def insert_segments(jpeg: bytes, segments: Iterable[Segment]) -> bytes:
    """Insert segments in front of a JPEG's own, but after its JFIF, which must be the first."""
    at = 2
    if jpeg[2:4] == b"\xff\xe0":
        at += 2 + struct.unpack(">H", jpeg[4:6])[0]
    packed = [
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in segments
    ]
    return b"".join((jpeg[:at], *packed, jpeg[at:]))


def _parts(data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """(start, part) of each part of at most `size` bytes."""
    for start in range(0, len(data), size):
        yield start, data[start : start + size]
