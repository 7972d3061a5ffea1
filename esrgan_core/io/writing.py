"""Images of all kinds to files."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from esrgan_core.files import atomic_path
from esrgan_core.io.decoded_image import DecodedImage, Format
from esrgan_core.io.exif import resized_exif
from esrgan_core.io.pillow import stack_channels, to_pillow
from esrgan_core.io.tiff_writing import write_tiff

QUALITY = 95
"""Default of JPEG; the default of WebP is lossless."""
XMP_KEYWORD = b"XML:com.adobe.xmp"


def encode(image: DecodedImage, format_: Format, quality: int | None = None) -> bytes:
    """The file's bytes of an image that `convert_to` has prepared."""
    match format_:
        case "png":
            return _png(image)
        case "tif":
            buffer = BytesIO()
            write_tiff(buffer, image)
            return buffer.getvalue()
        case "jpg" | "webp":
            return _by_pillow(image, format_, quality)


def write_image(
    path: Path, image: DecodedImage, format_: Format, quality: int | None = None
) -> None:
    """Write an image that `convert_to` has prepared, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode(image, format_, quality))


def _by_pillow(image: DecodedImage, format_: Format, quality: int | None) -> bytes:
    options: dict[str, Any] = {"quality": QUALITY if quality is None else quality}
    if format_ == "jpg":
        options["subsampling"] = "4:4:4"
        if image.metadata.dpi:
            options["dpi"] = image.metadata.dpi
    elif quality is None:
        options = {"lossless": True, "quality": 80, "exact": True}
    for name, content in (
        ("exif", _sized_exif(image)),
        ("icc_profile", image.metadata.icc),
        ("xmp", image.metadata.xmp),
    ):
        if content:
            options[name] = content
    buffer = BytesIO()
    pillow_image = to_pillow(image.pixels, image.alpha)
    pillow_image.save(buffer, format={"jpg": "JPEG", "webp": "WEBP"}[format_], **options)
    return buffer.getvalue()


def _sized_exif(image: DecodedImage) -> bytes:
    return bytes(resized_exif(image).tobytes()) if image.metadata.exif else b""


def _png(image: DecodedImage) -> bytes:
    """PNG of 8 or 16 bits; Pillow cannot write 16-bit color."""
    from imagecodecs import png_encode  # noqa: PLC0415

    encoded = png_encode(stack_channels(image.pixels, image.alpha))
    chunks = b"".join(_chunk(name, content) for name, content in _png_metadata(image))
    # the first chunk is the header of 25 bytes, after a signature of 8
    return b"".join([encoded[:33], chunks, encoded[33:]])


def _png_metadata(image: DecodedImage) -> Iterator[tuple[bytes, bytes]]:
    metadata = image.metadata
    if metadata.icc:
        yield b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        per_meter = [round(dpi / 0.0254) for dpi in metadata.dpi]
        yield b"pHYs", struct.pack(">IIB", *per_meter, 1)
    if metadata.xmp:
        yield b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp
    if exif := _sized_exif(image):
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
