"""Metadata in the resources of a PSD."""

import struct

import numpy as np

from tests.support.metadata import PIXELS, converted, exif_bytes, exif_of, iptc_of

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>violet</x:xmpmeta>"
IPTC = b"\x1c\x02\x78\0\x07Gr\xc3\xbc\xc3\x9fe"


def resource(number: int, content: bytes) -> bytes:
    padding = b"\0" * (len(content) % 2)
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + padding


def psd(resources: bytes) -> bytes:
    height, width = PIXELS.shape[:2]
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3)
    parts = b"".join(struct.pack(">I", len(part)) + part for part in (b"", resources, b""))
    return header + parts + b"\0\0" + np.moveaxis(PIXELS, -1, 0).tobytes()


def test_it_is_kept() -> None:
    resolution = struct.pack(">IHHIHH", 240 * 65536, 1, 1, 120 * 65536, 1, 1)
    exif = exif_bytes({"Exif.Image.Copyright": "(c) Rémi"})
    data = psd(
        resource(0x03ED, resolution)
        + resource(0x0404, IPTC)
        + resource(0x0422, exif)
        + resource(0x0424, XMP)
        + resource(0x0BB7, b"unknown")
    )
    result, changes = converted(data, "jpg")
    assert changes == ("resources of Photoshop were dropped: 2999",)
    assert exif_of(result)["Exif.Image.Copyright"] == "(c) Rémi"
    assert iptc_of(result) == {"Iptc.Application2.Caption": "Grüße"}
    assert XMP in result
    assert struct.unpack(">BHH", result[13:18]) == (1, 240, 120)
