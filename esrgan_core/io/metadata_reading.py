"""Metadata of image files."""

from typing import Any

from PIL import Image

from esrgan_core.io.decoded_image import Metadata
from esrgan_core.io.exif import DESCRIBING, EXIF_IFD, GPS_IFD, ICC_TAG, XMP_TAG


def read_metadata(image: Image.Image) -> Metadata:
    """The metadata to keep, without EXIF's orientation."""
    found = image.getexif()
    kept = Image.Exif()
    for tag in DESCRIBING:
        if tag in found:
            kept[tag] = found[tag]
    for ifd in (EXIF_IFD, GPS_IFD):
        if content := dict(found.get_ifd(ifd)):
            kept.get_ifd(ifd).update(content)
    xmp = image.info.get("xmp", b"")
    dpi = image.info.get("dpi")
    return Metadata(
        exif=kept.tobytes()
        if len(kept) or kept.get_ifd(EXIF_IFD) or kept.get_ifd(GPS_IFD)
        else b"",
        icc=image.info.get("icc_profile") or b"",
        xmp=xmp if isinstance(xmp, bytes) else xmp.encode(),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
    )


def read_tiff_metadata(page: Any) -> Metadata:
    """The metadata of tifffile's page to keep, without EXIF's orientation."""
    tags = {tag.code: tag.value for tag in page.tags}
    exif = Image.Exif()
    for tag in DESCRIBING:
        if tag in tags:
            exif[tag] = tags[tag]
    return Metadata(
        exif=exif.tobytes() if len(exif) else b"",
        icc=bytes(tags.get(ICC_TAG, b"")),
        xmp=bytes(tags.get(XMP_TAG, b"")),
    )
