"""TIFFs with all metadata, written at once or streamed."""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from esrgan_core.files import atomic_path
from esrgan_core.io.decoded_image import Array, DecodedImage
from esrgan_core.io.exif import DESCRIBING, EXIF_IFD, GPS_IFD, XMP_TAG, resized_exif
from esrgan_core.io.pillow import stack_channels

STREAMED = 2**30
"""Bytes of pixels above which a TIFF is streamed to disk, uncompressed."""
CLASSIC = 2**32 - 2**25
"""Bytes of pixels above which a TIFF is a BigTIFF, with room for the metadata."""
ASCII, LONG = 2, 4
"""Value types of TIFF."""


def write_tiff(file: BytesIO, image: DecodedImage) -> None:
    """Write an image of any mode, losslessly compressed."""
    from tifffile import imwrite  # noqa: PLC0415

    values = stack_channels(image.pixels, image.alpha)
    imwrite(file, values, compression="adobe_deflate", **tiff_options(image))
    append_ifds(file, resized_exif(image))


def tiff_options(image: DecodedImage) -> dict[str, Any]:
    """Arguments of tifffile for an image, except the pixels."""
    metadata, exif = image.metadata, resized_exif(image)
    extra: list[tuple[int, int, int | None, Any, bool]] = [
        (tag, ASCII, None, str(exif[tag]), True) for tag in DESCRIBING if tag in exif
    ]
    extra += [(tag - 1, LONG, 1, 0, True) for tag in (EXIF_IFD, GPS_IFD) if exif.get_ifd(tag)]
    if metadata.xmp:
        extra.append((XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    kinds = {"gray": "minisblack", "rgb": "rgb", "cmyk": "separated"}
    options: dict[str, Any] = {
        "photometric": kinds[image.kind],
        "extratags": extra,
        "software": False,
        "metadata": None,
    }
    if image.alpha is not None:
        options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    if metadata.icc:
        options["iccprofile"] = metadata.icc
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    return options


def append_ifds(file: Any, exif: Image.Exif) -> None:
    """Append EXIF's directories to a TIFF and point its tags to them.

    tifffile cannot write these tags; `tiff_options` reserves placeholders.
    """
    from tifffile import TiffFile  # noqa: PLC0415

    for code in (EXIF_IFD, GPS_IFD):
        if not (content := exif.get_ifd(code)):
            continue
        file.seek(0, 2)
        offset = file.tell() + file.tell() % 2
        file.write(b"\0" * (offset - file.tell()))
        file.seek(0)
        with TiffFile(file, mode="r+") as written:
            is_big, order = written.is_bigtiff, written.byteorder
            tag = written.pages.first.tags[code - 1]
            tag.overwrite(offset, dtype="Q" if is_big else "I")
        file.seek(0)
        # the header gives the byte order and the width of offsets
        directory = ImageFileDirectory_v2(ifh=file.read(16 if is_big else 8), group=code)
        for number, value in content.items():
            directory[number] = value
        file.seek(offset)
        file.write(directory.tobytes(offset))
        file.seek(tag.offset)
        file.write(struct.pack(f"{order}H", code))


@contextmanager
def streamed_tiff(path: Path, image: DecodedImage, size: tuple[int, int]) -> Iterator[Array]:
    """Yield the memory-mapped pixels of a TIFF of (height, width), uncompressed.

    It has the mode and metadata of `image`, and is moved to `path` on success.
    """
    from tifffile import memmap  # noqa: PLC0415

    channels = image.pixels.shape[2] + (image.alpha is not None)
    shape = (*size, channels) if channels > 1 else size
    # as large for the sizes in EXIF, but without memory
    large = replace(
        image, pixels=np.broadcast_to(image.pixels[:1, :1], (*size, image.pixels.shape[2]))
    )
    with atomic_path(path) as temporary:
        kind = image.pixels.dtype
        bigtiff = math.prod(shape) * kind.itemsize > CLASSIC
        pixels = memmap(temporary, shape=shape, dtype=kind, bigtiff=bigtiff, **tiff_options(large))
        yield pixels.reshape(*size, channels)
        pixels.flush()
        del pixels
        with temporary.open("r+b") as file:
            append_ifds(file, resized_exif(large))
