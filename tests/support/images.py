"""Image files in memory, byte by byte where no library writes them."""

import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from esrgan_core.io.rgb import Pixels

Tags = Mapping[int, Sequence[int] | bytes]
LONG, BYTE = 4, 1
"""TIFF's types."""


def encode_png(pixels: Pixels) -> bytes:
    """PNG bytes of 8-bit RGB."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def raw_png(
    samples: NDArray[np.integer], bits: int, color_type: int, chunks: Mapping[bytes, bytes]
) -> BytesIO:
    """A PNG of samples (rows, columns, channels) of some bits, with chunks before its pixels."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + pack_bits(row, bits) for row in samples)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    parts = {b"IHDR": header, **chunks, b"IDAT": zlib.compress(rows), b"IEND": b""}
    body = b"".join(png_chunk(name, content) for name, content in parts.items())
    return BytesIO(b"\x89PNG\r\n\x1a\n" + body)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def tiff(values: NDArray[Any], **options: Any) -> BytesIO:
    """A TIFF by tifffile."""
    buffer = BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return BytesIO(buffer.getvalue())


def raw_tiff(
    samples: NDArray[np.integer],
    bits: int,
    photometric: int,
    *,
    planar: bool = False,
    deflate: bool = False,
    order: str = "<",
    tags: Tags | None = None,
    without: Collection[int] = (),
) -> BytesIO:
    """A TIFF of samples (rows, columns, channels) of some bits, most significant bit first.

    `tags` replaces values, `without` omits tags.
    """
    height, width, channels = samples.shape
    planes = [samples[..., one] for one in range(channels)] if planar else [samples]
    byte_order = "big" if order == ">" else "little"
    strips = [b"".join(pack_bits(row, bits, byte_order) for row in plane) for plane in planes]
    strips = [zlib.compress(strip) if deflate else strip for strip in strips]
    starts = [8 + sum(len(strip) for strip in strips[:number]) for number in range(len(strips))]
    entries: dict[int, Sequence[int] | bytes] = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [8 if deflate else 1],
        262: [photometric], 273: starts, 277: [channels], 278: [height],
        279: [len(strip) for strip in strips], 284: [2 if planar else 1], **(tags or {}),
    }  # fmt: skip
    entries = {code: values for code, values in entries.items() if code not in without}
    directory = 8 + sum(len(strip) for strip in strips)
    beyond, fields = b"", b""
    for code, values in sorted(entries.items()):
        is_bytes = isinstance(values, bytes)
        value = (
            values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}I", *values)
        )
        if len(value) > 4:
            offset = directory + 2 + 12 * len(entries) + 4 + len(beyond)
            beyond += value
            value = struct.pack(f"{order}I", offset)
        kind = BYTE if is_bytes else LONG
        fields += struct.pack(f"{order}HHI", code, kind, len(values)) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory)
    count = struct.pack(f"{order}H", len(entries))
    return BytesIO(head + b"".join(strips) + count + fields + bytes(4) + beyond)


def pack_bits(samples: NDArray[np.integer], bits: int, byte_order: str = "big") -> bytes:
    """Samples of a row without gaps; whole bytes in `byte_order`, others from the highest bit."""
    if bits % 8 == 0:
        letter = ">" if byte_order == "big" else "<"
        return samples.astype(f"{letter}u{bits // 8}").tobytes()
    wide = np.unpackbits(samples.astype(">u2").ravel().view(np.uint8)).reshape(-1, 16)
    return np.packbits(wide[:, 16 - bits :]).tobytes()
