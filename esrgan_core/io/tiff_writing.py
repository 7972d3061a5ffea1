"""TIFFs with all metadata, written at once or streamed."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from esrgan_core.files import atomic_path
from esrgan_core.io.decoded_image import Array, DecodedImage
from esrgan_core.io.exif import EXIF_IFD, GPS_IFD, Exif, little_endian, pack_inner, parse_exif
from esrgan_core.io.ifd import (
    BYTE,
    LONG,
    LONG8,
    TYPE_BYTES,
    UNDEFINED,
    Value,
    read_directory,
    read_header,
)
from esrgan_core.io.pillow import stack_channels
from esrgan_core.io.tiff_metadata import DESCRIBING, IPTC_TAG, XMP_TAG

STREAMED = 2**30
"""Bytes of pixels above which a TIFF is streamed to disk, uncompressed."""
CLASSIC = 2**32 - 2**25
"""Bytes of pixels above which a TIFF is a BigTIFF, with room for the metadata."""


def write_tiff(file: BytesIO, image: DecodedImage) -> None:
    """Write an image of any mode, losslessly compressed."""
    from tifffile import imwrite  # noqa: PLC0415

    values = stack_channels(image.pixels, image.alpha)
    imwrite(file, values, compression="adobe_deflate", **tiff_options(image))
    append_directories(file, image.metadata.exif)


def tiff_options(image: DecodedImage, *, bigtiff: bool = False) -> dict[str, Any]:
    """Arguments of tifffile for an image, except the pixels."""
    metadata = image.metadata
    kinds = {"gray": "minisblack", "rgb": "rgb", "cmyk": "separated"}
    options: dict[str, Any] = {
        "bigtiff": bigtiff,
        "photometric": kinds[image.kind],
        "software": False,
        "metadata": None,
    }
    separate = ((XMP_TAG, BYTE, metadata.xmp), (IPTC_TAG, UNDEFINED, metadata.iptc))
    values = {tag: Value(type_, content) for tag, type_, content in separate if content}
    if metadata.exif:
        exif = exif_for_tiff(metadata.exif, bigtiff=bigtiff)
        options["byteorder"] = exif.layout.order
        values |= {tag: value for tag, value in exif.main.items() if tag in DESCRIBING}
        present = {EXIF_IFD: exif.exif or exif.interop, GPS_IFD: exif.gps}
        values |= {tag - 1: Value(LONG, bytes(4)) for tag, inner in present.items() if inner}
    options["extratags"] = [
        (tag, type_, len(content) // TYPE_BYTES[type_], content, True)
        for tag, (type_, content) in values.items()
    ]
    if image.alpha is not None:
        options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    if metadata.icc:
        options["iccprofile"] = metadata.icc
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    return options


def exif_for_tiff(exif: bytes, *, bigtiff: bool) -> Exif:
    """EXIF in the byte order that the TIFF is to have.

    Its own, since that of undefined values, such as a camera's note, cannot be changed. But Pillow
    reads only BigTIFFs that are little-endian.
    """
    parsed = parse_exif(exif)
    return little_endian(parsed) if bigtiff else parsed


def append_directories(file: Any, exif: bytes) -> None:
    """Append EXIF's inner directories to a TIFF and point its tags to them.

    tifffile cannot write these tags; `tiff_options` reserves placeholders.
    """
    if not exif:
        return
    layout, start = read_header(file)
    end = file.seek(0, 2)
    packed, offsets = pack_inner(exif_for_tiff(exif, bigtiff=layout.big), layout, end + end % 2)
    file.write(b"\0" * (end % 2) + packed)
    entries = read_directory(file, layout, start).entries
    for tag, offset in offsets.items():
        file.seek(entries[tag - 1].at)
        type_ = LONG8 if layout.big else LONG
        file.write(layout.pack(f"HH{2 * layout.pointer}", tag, type_, 1, offset))


@contextmanager
def streamed_tiff(path: Path, image: DecodedImage, size: tuple[int, int]) -> Iterator[Array]:
    """Yield the memory-mapped pixels of a TIFF of (height, width), uncompressed.

    It has the mode and metadata of `image`, which `fit_metadata` has prepared, and is moved to
    `path` on success.
    """
    from tifffile import memmap  # noqa: PLC0415

    channels = image.pixels.shape[2] + (image.alpha is not None)
    shape = (*size, channels) if channels > 1 else size
    with atomic_path(path) as temporary:
        kind = image.pixels.dtype
        bigtiff = math.prod(shape) * kind.itemsize > CLASSIC
        options = tiff_options(image, bigtiff=bigtiff)
        pixels = memmap(temporary, shape=shape, dtype=kind, **options)
        yield pixels.reshape(*size, channels)
        pixels.flush()
        del pixels
        with temporary.open("r+b") as file:
            append_directories(file, image.metadata.exif)
