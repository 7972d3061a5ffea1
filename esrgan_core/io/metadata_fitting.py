"""Metadata converted to what a format can hold."""

from dataclasses import replace

from esrgan_core.io.color_chunks import chunk_profile, is_srgb
from esrgan_core.io.decoded_image import Format, Kind, Metadata
from esrgan_core.io.exif import Exif, pack_exif, parse_exif, resized_exif
from esrgan_core.io.ifd import RATIONAL, SHORT, Layout, Value
from esrgan_core.io.jpeg_segments import MAX_EXIF, MAX_ICC, MAX_XMP, xmp_segments
from esrgan_core.io.png_chunks import text_of
from esrgan_core.io.tiff_metadata import (
    CODING,
    DESCRIBING,
    RESOLUTION,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    tag_names,
)
from esrgan_core.io.xmp import XmpTooLargeError, resized_xmp

METERS_PER_INCH = 0.0254
WEBP_DENOMINATOR = 1000
"""Of a resolution in EXIF that is made for WebP."""
NAMES: dict[Format, str] = {"png": "PNG", "jpg": "JPEG", "webp": "WebP", "tif": "TIFF"}


def fit_metadata(
    metadata: Metadata, format_: Format, kind: Kind, size: tuple[int, int]
) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata that a format can hold for an image of (height, width), and what was lost."""
    if metadata.exif:
        metadata = replace(metadata, exif=resized_exif(metadata.exif, *size))
    metadata = replace(metadata, xmp=resized_xmp(metadata.xmp, *size))
    if format_ != "png":
        metadata = _without_texts(_without_color_chunks(metadata, format_, kind), format_)
    if format_ == "png" and metadata.icc and profile_kind(metadata.icc) != kind:
        # as its specification demands
        metadata = replace(metadata, icc=b"").losing(
            f"PNG cannot hold an ICC profile of other colors in a {kind} image: dropped"
        )
    if metadata.dpi and not all(_fits(one, format_) for one in metadata.dpi):
        dpi = "x".join(f"{one:g}" for one in metadata.dpi)
        metadata = replace(metadata, dpi=None).losing(
            f"{NAMES[format_]} cannot hold a resolution of {dpi} dpi: dropped"
        )
    match format_:
        case "jpg":
            metadata = _fit_jpeg(metadata)
        case "webp":
            metadata = _fit_webp(metadata)
        case "tif" if metadata.exif:
            others = parse_exif(metadata.exif).main.keys() - DESCRIBING - RESOLUTION - CODING
            if others:
                metadata = metadata.losing(f"TIFF cannot hold EXIF's {tag_names(others)}: dropped")
    return replace(metadata, lost=()), metadata.lost


def profile_kind(icc: bytes) -> Kind | None:
    """The colors that a profile describes."""
    kinds: dict[bytes, Kind] = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}
    return kinds.get(icc[16:20])


def _fits(dpi: float, format_: Format) -> bool:
    """Whether a resolution is a number of the format: whole, in JPEG per inch, in PNG per meter."""
    match format_:
        case "jpg":
            return 1 <= round(dpi) < 2**16
        case "png":
            return 1 <= round(dpi / METERS_PER_INCH) < 2**31
        case "webp":
            return 1 <= round(dpi * WEBP_DENOMINATOR) < 2**32
        case "tif":
            return 2**-16 < dpi < 2**32


def _without_color_chunks(metadata: Metadata, format_: Format, kind: Kind) -> Metadata:
    chunks = {chunk.name: chunk.content for chunk in metadata.colors}
    metadata = replace(metadata, colors=())
    if is_srgb(chunks) or (metadata.icc and b"cICP" not in chunks):
        return metadata
    # overrides a profile if it is of cICP
    if profile := chunk_profile(chunks, gray=kind == "gray"):
        return replace(metadata, icc=profile)
    names = ", ".join(name.decode("latin-1") for name in chunks)
    return metadata.losing(
        f"{NAMES[format_]} cannot hold PNG's {names}: dropped, so colors may look different"
    )


def _without_texts(metadata: Metadata, format_: Format) -> Metadata:
    """JPEG holds comments, TIFF and WebP neither those nor the texts of PNG."""
    texts, comments = metadata.texts, metadata.comments
    metadata = replace(metadata, texts=(), comments=())
    if format_ == "jpg":
        added = tuple(text_of(text) for text in texts if text.keyword == b"Comment")
        texts = tuple(text for text in texts if text.keyword != b"Comment")
        metadata, comments = replace(metadata, comments=comments + added), ()
    kinds = [text.title for text in texts] + ["comment"] * bool(comments)
    if not kinds:
        return metadata
    return metadata.losing(f"{NAMES[format_]} cannot hold texts: dropped {', '.join(kinds)}")


def _fit_jpeg(metadata: Metadata) -> Metadata:
    exif, icc, xmp = metadata.exif, metadata.icc, metadata.xmp
    if len(exif) > MAX_EXIF:
        # blanked and unused parts may make the difference
        exif = pack_exif(parse_exif(exif))
        if len(exif) > MAX_EXIF:
            metadata = metadata.losing(_too_large("EXIF", exif, MAX_EXIF))
            exif = b""
    if len(icc) > MAX_ICC:
        metadata = metadata.losing(
            _too_large("the ICC profile", icc, MAX_ICC) + ", so colors may look different"
        )
        icc = b""
    if len(xmp) > MAX_XMP:
        try:
            list(xmp_segments(xmp))
        except XmpTooLargeError as error:
            metadata = metadata.losing(f"{_too_large('XMP', xmp, MAX_XMP)}: {error}")
            xmp = b""
    return replace(metadata, exif=exif, icc=icc, xmp=xmp)


def _too_large(what: str, content: bytes, limit: int) -> str:
    return f"JPEG cannot hold {what} of {len(content)} bytes, more than {limit}: dropped"


def _fit_webp(metadata: Metadata) -> Metadata:
    if metadata.iptc:
        metadata = replace(metadata, iptc=b"").losing("WebP cannot hold IPTC: dropped")
    if not metadata.dpi:
        return metadata
    # WebP has the resolution in EXIF only
    if not metadata.exif:
        return replace(metadata, exif=_resolution_exif(metadata.dpi))
    if X_RESOLUTION not in parse_exif(metadata.exif).main:
        dpi = "x".join(f"{one:g}" for one in metadata.dpi)
        return metadata.losing(f"WebP cannot hold a resolution outside EXIF: dropped {dpi} dpi")
    return metadata


def _resolution_exif(dpi: tuple[float, float]) -> bytes:
    layout = Layout()
    main = {
        tag: Value(RATIONAL, layout.pack("II", round(one * WEBP_DENOMINATOR), WEBP_DENOMINATOR))
        for tag, one in zip((X_RESOLUTION, Y_RESOLUTION), dpi, strict=True)
    }
    main[RESOLUTION_UNIT] = Value(SHORT, layout.pack("H", 2))
    return pack_exif(Exif(layout=layout, main=main))
