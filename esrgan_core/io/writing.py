"""Images of all kinds to files."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from esrgan_core.files import atomic_path
from esrgan_core.io.decoded_image import DecodedImage, Format, Metadata
from esrgan_core.io.jpeg_segments import (
    Segment,
    comment_segments,
    exif_segment,
    icc_segments,
    insert_segments,
    photoshop_segments,
    xmp_segments,
)
from esrgan_core.io.metadata_fitting import METERS_PER_INCH
from esrgan_core.io.photoshop import pack_iptc
from esrgan_core.io.pillow import stack_channels, to_pillow
from esrgan_core.io.png_chunks import (
    XMP_KEYWORD,
    Chunk,
    comment_chunk,
    pack_chunk,
    pack_raw_profile,
)
from esrgan_core.io.tiff_writing import write_tiff

QUALITY = 95
"""Default of JPEG; the default of WebP is lossless."""


def encode(image: DecodedImage, format_: Format, quality: int | None = None) -> bytes:
    """The file's bytes of an image that `convert_to` has prepared."""
    match format_:
        case "png":
            return _png(image)
        case "tif":
            buffer = BytesIO()
            write_tiff(buffer, image)
            return buffer.getvalue()
        case "jpg":
            return _jpeg(image, quality)
        case "webp":
            return _webp(image, quality)


def write_image(
    path: Path, image: DecodedImage, format_: Format, quality: int | None = None
) -> None:
    """Write an image that `convert_to` has prepared, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode(image, format_, quality))


def _jpeg(image: DecodedImage, quality: int | None) -> bytes:
    options: dict[str, Any] = {"dpi": image.metadata.dpi} if image.metadata.dpi else {}
    encoded = _by_pillow(
        image,
        "JPEG",
        quality=QUALITY if quality is None else quality,
        subsampling="4:4:4",
        **options,
    )
    return insert_segments(encoded, _jpeg_segments(image.metadata))


def _jpeg_segments(metadata: Metadata) -> Iterator[Segment]:
    if metadata.exif:
        yield exif_segment(metadata.exif)
    if metadata.xmp:
        yield from xmp_segments(metadata.xmp)
    if metadata.icc:
        yield from icc_segments(metadata.icc)
    if metadata.iptc:
        yield from photoshop_segments(pack_iptc(metadata.iptc))
    for comment in metadata.comments:
        yield from comment_segments(comment)


def _webp(image: DecodedImage, quality: int | None) -> bytes:
    options: dict[str, Any] = {"quality": quality}
    if quality is None:
        options = {"lossless": True, "quality": 80, "exact": True}
    metadata = image.metadata
    return _by_pillow(
        image,
        "WEBP",
        exif=metadata.exif,
        icc_profile=metadata.icc,
        xmp=metadata.xmp,
        **options,
    )


def _by_pillow(image: DecodedImage, format_: str, **options: Any) -> bytes:
    buffer = BytesIO()
    to_pillow(image.pixels, image.alpha).save(buffer, format=format_, **options)
    return buffer.getvalue()


def _png(image: DecodedImage) -> bytes:
    """PNG of 8 or 16 bits; Pillow cannot write 16-bit color."""
    from imagecodecs import png_encode  # noqa: PLC0415

    encoded = png_encode(stack_channels(image.pixels, image.alpha))
    chunks = b"".join(pack_chunk(*chunk) for chunk in _png_metadata(image.metadata))
    # the first chunk is the header of 25 bytes, after a signature of 8
    return b"".join([encoded[:33], chunks, encoded[33:]])


def _png_metadata(metadata: Metadata) -> Iterator[Chunk]:
    yield from metadata.colors
    if metadata.icc:
        yield Chunk(b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        per_meter = [round(dpi / METERS_PER_INCH) for dpi in metadata.dpi]
        yield Chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1))
    if metadata.xmp:
        yield Chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp)
    if metadata.exif:
        yield Chunk(b"eXIf", metadata.exif)
    if metadata.iptc:
        yield pack_raw_profile("iptc", pack_iptc(metadata.iptc))
    yield from metadata.texts
    for comment in metadata.comments:
        yield comment_chunk(comment)
