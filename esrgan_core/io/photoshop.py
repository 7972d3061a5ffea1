"""Photoshop's image resources, which hold IPTC in JPEG and TIFF."""

import struct
from dataclasses import replace

from esrgan_core.io.decoded_image import Metadata

IPTC, RESOLUTION, EXIF, XMP = 0x0404, 0x03ED, 0x0422, 0x0424
COPIES = {IPTC, 0x03ED, 0x0409, 0x040C, 0x040F, 0x0422, 0x0423, 0x0424, 0x0425}
"""Resources that other metadata repeats: resolution, thumbnails, ICC, EXIF, XMP, IPTC's digest."""


def parse_resources(data: bytes) -> dict[int, bytes]:
    """The content of resources by number; a damaged one ends them."""
    found: dict[int, bytes] = {}
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        (number,) = struct.unpack(">H", data[at + 4 : at + 6])
        # a name with its length, padded to an even number of bytes
        at += 6 + (data[at + 6] + 2) // 2 * 2
        if at + 4 > len(data):
            break
        (length,) = struct.unpack(">I", data[at : at + 4])
        found[number] = data[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
    return found


def pack_iptc(iptc: bytes) -> bytes:
    """IPTC as the only resource."""
    header = b"8BIM" + struct.pack(">HHI", IPTC, 0, len(iptc))
    return header + iptc + b"\0" * (len(iptc) % 2)


def with_photoshop(metadata: Metadata, resources: bytes) -> Metadata:
    """Add the IPTC of Photoshop's resources; others are reported, since they depend on the size."""
    found = parse_resources(resources)
    metadata = replace(metadata, iptc=metadata.iptc or found.get(IPTC, b""))
    if others := found.keys() - COPIES:
        numbers = ", ".join(map(str, sorted(others)))
        return metadata.losing(f"resources of Photoshop were dropped: {numbers}")
    return metadata
