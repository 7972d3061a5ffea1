"""Metadata made byte by byte: EXIF, XMP, IPTC."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
TYPE_BYTES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1}
EXIF_IFD, GPS_IFD, ORIENTATION, WIDTH, HEIGHT = 0x8769, 0x8825, 0x0112, 0xA002, 0xA003
COPYRIGHT = "(c) 2020 Rémi"
LONG_TEXT = "".join(hashlib.sha256(bytes([one])).hexdigest() for one in range(256)) * 5
"""82 kB, more than a segment of JPEG."""
Fields = dict[int, tuple[int, bytes]]
"""(type, content) by tag."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tags:
    """What is put into a file; empty values are absent."""

    exif: bool = False
    """Texts in UTF-8 and Latin-1, GPS, a note of the camera, sizes, and a thumbnail."""
    note: int = 0
    """Further bytes of the camera's note."""
    order: str = "<"
    """Byte order of EXIF."""
    orientation: int = 0
    """In EXIF."""
    xmp: bool = False
    long_xmp: bool = False
    xmp_orientation: int = 0
    icc: str = ""
    """Kind of its colors."""
    dpi: tuple[int, int] = (0, 0)
    texts: tuple[tuple[bytes, bytes], ...] = ()
    """Chunks of PNG."""
    comment: bytes = b""
    iptc: bool = False
    colors: tuple[tuple[bytes, bytes], ...] = ()
    """Chunks of PNG."""


def exif_fields(tags: Tags, order: str) -> tuple[Fields, dict[int, Fields]]:
    """The fields of the first directory, and those of EXIF and GPS."""

    def numbers(format_: str, *values: int) -> bytes:
        return struct.pack(f"{order}{format_}", *values)

    main: Fields = {}
    if tags.orientation:
        main[ORIENTATION] = (SHORT, numbers("H", tags.orientation))
    if not tags.exif:
        return main, {}
    main |= {
        0x010F: (ASCII, b"Camera\0"),
        0x0132: (ASCII, b"2020:02:03 04:05:06\0"),
        0x013B: (ASCII, "Rémi".encode("latin-1") + b"\0"),
        0x8298: (ASCII, COPYRIGHT.encode() + b"\0"),
    }
    exif = {
        0x829A: (RATIONAL, numbers("II", 1, 250)),
        0x9003: (ASCII, b"2020:02:03 04:05:06\0"),
        0x927C: (UNDEFINED, bytes(range(256)) + bytes(tags.note)),
        0x9286: (UNDEFINED, b"UNICODE\0" + "Rémi 雪".encode("utf-16-le")),
        WIDTH: (LONG, numbers("I", 640)),
        HEIGHT: (LONG, numbers("I", 480)),
    }
    gps = {
        0: (BYTE, b"\2\3\0\0"),
        1: (ASCII, b"N\0"),
        2: (RATIONAL, numbers("6I", 48, 1, 51, 1, 2964, 100)),
    }
    return main, {EXIF_IFD: exif, GPS_IFD: gps}


def directory(
    fields: Fields, start: int, order: str, following: int = 0, rows: Mapping[int, bytes] = {}
) -> bytes:
    """A directory of TIFF at an offset; `rows` are entries that are complete."""
    table = dict(rows)
    end = start + 2 + 12 * len(fields.keys() | table.keys()) + 4
    beyond = b""
    for tag, (kind, content) in fields.items():
        count = len(content) // TYPE_BYTES[kind]
        value = content.ljust(4, b"\0")
        if len(content) > 4:
            value = struct.pack(f"{order}I", end + len(beyond))
            beyond += content + b"\0" * (len(content) % 2)
        table[tag] = struct.pack(f"{order}HHI", tag, kind, count) + value
    head = struct.pack(f"{order}H", len(table))
    body = b"".join(table[tag] for tag in sorted(table))
    return head + body + struct.pack(f"{order}I", following) + beyond


def exif_bytes(tags: Tags) -> bytes:
    """EXIF as a file of its own, with a thumbnail."""
    order = tags.order
    main, inner = exif_fields(tags, order)
    if tags.dpi[0]:
        main |= resolution(tags.dpi, order)
    pointers: Fields = {tag: (LONG, bytes(4)) for tag in inner}
    at = 8 + len(directory(main | pointers, 8, order))
    parts = b""
    for tag, fields in inner.items():
        pointers[tag] = (LONG, struct.pack(f"{order}I", at + len(parts)))
        parts += directory(fields, at + len(parts), order)
    thumbnail, second = b"\xff\xd8THUMBNAIL\xff\xd9", at + len(parts)
    places = {0x0201: 0, 0x0202: len(thumbnail)}
    for _ in range(2):
        fields = {tag: (LONG, struct.pack(f"{order}I", one)) for tag, one in places.items()}
        last = directory(fields, second, order)
        places[0x0201] = second + len(last)
    following = second if tags.exif else 0
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    whole = head + directory(main | pointers, 8, order, following) + parts
    return whole + last + thumbnail if tags.exif else whole


def resolution(dpi: tuple[int, int], order: str) -> Fields:
    """The resolution in TIFF's tags."""
    pair = [(RATIONAL, struct.pack(f"{order}II", one, 1)) for one in dpi]
    return {282: pair[0], 283: pair[1], 296: (SHORT, struct.pack(f"{order}H", 2))}


def xmp_packet(tags: Tags, properties: str = "") -> bytes:
    """XMP with an author, and the orientation as an attribute."""
    turn = f' tiff:Orientation="{tags.xmp_orientation}"' if tags.xmp_orientation else ""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:note="http://ns.adobe.com/xmp/note/" '
        f'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{turn}>'
        f"<dc:creator>Rémi</dc:creator>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def whole_xmp(tags: Tags) -> bytes:
    """XMP in one packet."""
    long = f"<dc:description>{LONG_TEXT}</dc:description>" if tags.long_xmp else ""
    return xmp_packet(tags, long) if tags.xmp or tags.xmp_orientation else b""


def iptc_records() -> bytes:
    """IPTC in UTF-8: an author and a title."""
    records = ((1, 90, b"\x1b%G"), (2, 80, "Rémi".encode()), (2, 5, b"Title"))
    return b"".join(
        struct.pack(">BBBH", 0x1C, record, number, len(text)) + text
        for record, number, text in records
    )


def photoshop_resource(content: bytes) -> bytes:
    """IPTC as Photoshop's resource."""
    head = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(content))
    return head + content + b"\0" * (len(content) % 2)
