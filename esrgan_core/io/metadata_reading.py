"""Metadata of image files."""

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from esrgan_core.io.decoded_image import Metadata
from esrgan_core.io.exif import parse_exif
from esrgan_core.io.ifd import Layout, read_header
from esrgan_core.io.jpeg_segments import (
    EXIF_NAME,
    ICC_NAME,
    PHOTOSHOP_NAME,
    XMP_NAME,
    after_image,
    read_xmp,
    segment_contents,
    unknown_segments,
)
from esrgan_core.io.photoshop import with_photoshop
from esrgan_core.io.png_chunks import (
    COLORS,
    TEXTS,
    USED,
    XMP_KEYWORD,
    Chunk,
    raw_profile,
    read_chunks,
    text_of,
)
from esrgan_core.io.profiles import DAMAGED
from esrgan_core.io.rare_metadata import (
    avif_metadata,
    bmp_metadata,
    gif_metadata,
    jp2_metadata,
    psd_metadata,
)
from esrgan_core.io.tiff_metadata import dpi_of, tiff_metadata

READERS = {
    "GIF": gif_metadata,
    "JPEG2000": jp2_metadata,
    "AVIF": avif_metadata,
    "BMP": bmp_metadata,
    "PSD": psd_metadata,
}
"""What Pillow does not read, by its names of formats."""


def read_metadata(image: Image.Image, source: Path | BytesIO) -> Metadata:
    """The metadata of Pillow's image as it is stored."""
    match image.format:
        case "TIFF":
            with _opened(source) as file:
                return tiff_metadata(file, *read_header(file))
        case "PNG":
            with _opened(source) as file:
                return _with_exif_dpi(_png_metadata(list(read_chunks(file)), _common(image)))
        case "JPEG" | "MPO":
            return _with_exif_dpi(_jpeg_metadata(image, _common(image)))
        case "GIF" | "JPEG2000" | "AVIF" | "BMP" | "PSD":
            with _opened(source) as file:
                return _with_exif_dpi(READERS[image.format](file.read(), _common(image)))
        case _:
            return _with_exif_dpi(_common(image))


def with_rest(metadata: Metadata, image: Image.Image, source: Path | BytesIO) -> Metadata:
    """Report what follows the image in a JPEG, such as the video or the gain map of a phone."""
    if image.format != "JPEG":
        return metadata
    with _opened(source) as file:
        rest = after_image(file.read())
    if not rest:
        return metadata
    what = "a video" if rest[4:8] == b"ftyp" else "data"
    return metadata.losing(f"{what} of {len(rest)} bytes after the image was dropped")


def read_tiff_metadata(page: Any) -> Metadata:
    """The metadata of tifffile's page as it is stored."""
    file = page.parent
    return tiff_metadata(file.filehandle, Layout(file.byteorder, file.is_bigtiff), page.offset)


def _opened(source: Path | BytesIO) -> BytesIO | BufferedReader:
    return BytesIO(source.getvalue()) if isinstance(source, BytesIO) else source.open("rb")


def _common(image: Image.Image) -> Metadata:
    """What Pillow gives unchanged."""
    info = image.info
    xmp, dpi, comment = info.get("xmp") or b"", info.get("dpi"), info.get("comment")
    return Metadata(
        exif=(info.get("exif") or b"").removeprefix(EXIF_NAME),
        icc=info.get("icc_profile") or b"",
        xmp=xmp if isinstance(xmp, bytes) else xmp.encode(),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
        comments=(comment,) if isinstance(comment, bytes) and comment else (),
    )


def _jpeg_metadata(image: Any, metadata: Metadata) -> Metadata:
    segments: Sequence[tuple[str, bytes]] = image.applist
    lost = []
    xmp, reason = read_xmp(segments)
    if reason:
        lost.append(f"the extended XMP was dropped: {reason}")
    if image.format == "MPO" and (further := image.n_frames - 1):
        lost.append(f"further images in the file were dropped: {further}")
    if unknown := unknown_segments(segments):
        lost.append(f"segments of JPEG were dropped: {', '.join(unknown)}")
    metadata = replace(
        metadata,
        xmp=xmp,
        comments=tuple(content for name, content in segments if name == "COM" and content),
        # Pillow assumes 72 if there is none
        dpi=_jfif_dpi(image.info),
        lost=tuple(lost),
    )
    if image.info.get("jfif_unit") == 0:
        metadata = metadata.losing_aspect(*image.info["jfif_density"])
    if not metadata.icc and segment_contents(segments, ICC_NAME):
        metadata = metadata.losing(DAMAGED)
    resources = b"".join(segment_contents(segments, PHOTOSHOP_NAME))
    return with_photoshop(metadata, resources)


def _jfif_dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    """JFIF's resolution; its unit 0 is none, 1 the inch, 2 the centimeter."""
    factor = {1: 1.0, 2: 2.54}.get(info.get("jfif_unit", 0))
    x, y = info.get("jfif_density", (0, 0))
    return (x * factor, y * factor) if factor and x and y else None


def _with_exif_dpi(metadata: Metadata) -> Metadata:
    """Add the resolution that only EXIF has."""
    if metadata.dpi or not metadata.exif:
        return metadata
    # damaged EXIF is reported when its orientation is set
    with suppress(ValueError):
        exif = parse_exif(metadata.exif)
        return replace(metadata, dpi=dpi_of(exif.layout, exif.main))
    return metadata


def _png_metadata(chunks: Sequence[Chunk], metadata: Metadata) -> Metadata:
    exif = next((chunk.content for chunk in chunks if chunk.name == b"eXIf"), b"")
    metadata = replace(
        metadata,
        exif=exif.removeprefix(EXIF_NAME),
        xmp=b"",
        comments=(),
        colors=tuple(chunk for chunk in chunks if chunk.name in COLORS),
    )
    for chunk in chunks:
        if chunk.name == b"pHYs" and len(chunk.content) == 9 and not chunk.content[8]:
            metadata = metadata.losing_aspect(*struct.unpack(">II", chunk.content[:8]))
    if not metadata.icc and any(chunk.name == b"iCCP" for chunk in chunks):
        metadata = metadata.losing(DAMAGED)
    texts = []
    for chunk in chunks:
        if chunk.name in TEXTS:
            try:
                added = _with_text(metadata, chunk)
            except ValueError as error:
                added = metadata.losing(f"the text {chunk.title} was dropped: {error}")
            if added is None:
                texts.append(chunk)
            else:
                metadata = added
    names = (chunk.name.decode("latin-1") for chunk in chunks if chunk.name not in USED)
    if unknown := dict.fromkeys(names):
        metadata = metadata.losing(f"chunks of PNG were dropped: {', '.join(unknown)}")
    return replace(metadata, texts=tuple(texts))


def _with_text(metadata: Metadata, chunk: Chunk) -> Metadata | None:
    """Add the metadata that a text holds; None if it is only a text."""
    if chunk.keyword == XMP_KEYWORD:
        return replace(metadata, xmp=text_of(chunk))
    if (found := raw_profile(chunk)) is None:
        text_of(chunk)  # a damaged one cannot be converted
        return None
    kind, content = found
    if kind in ("exif", "app1") and content.startswith(EXIF_NAME):
        return replace(metadata, exif=metadata.exif or content.removeprefix(EXIF_NAME))
    if kind in ("xmp", "app1"):
        return replace(metadata, xmp=metadata.xmp or content.removeprefix(XMP_NAME))
    if kind in ("iptc", "8bim"):
        if content.startswith(b"8BIM"):
            return with_photoshop(metadata, content)
        return replace(metadata, iptc=metadata.iptc or content)
    if kind in ("icc", "icm"):
        return replace(metadata, icc=metadata.icc or content)
    return None
