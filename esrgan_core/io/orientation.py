"""Orientation of images, which EXIF or XMP states."""

import re
from dataclasses import replace

import numpy as np

from esrgan_core.io.decoded_image import Array, DecodedImage, Metadata
from esrgan_core.io.exif import upright_exif

TRANSPOSED = (5, 6, 7, 8)
"""Orientations that exchange height and width."""
IN_XMP = re.compile(
    # the lookbehind keeps long padding from being searched at every place
    rb"""(?<!\s)\s+tiff:Orientation\s*=\s*["']\s*(\d+)\s*["']"""
    rb"""|(?:(?<!\s)\s+)?<tiff:Orientation\b[^>]*>\s*(\d+)\s*</tiff:Orientation\s*>"""
)
"""The orientation as an attribute or an element."""


def find_orientation(exif: object, xmp: bytes) -> int:
    """The orientation (1 to 8) by EXIF's tag, or by XMP if that has none; 1 if neither has one.

    >>> find_orientation(None, b'<rdf:Description tiff:Orientation="6"/>')
    6
    """
    in_xmp = [int(found[1] or found[2]) for found in IN_XMP.finditer(xmp)]
    valid = (value for value in (exif, *in_xmp) if isinstance(value, int) and 1 <= value <= 8)
    return next(valid, 1)


def make_upright(image: DecodedImage, orientation: int) -> DecodedImage:
    """Apply the orientation to an image as it is stored; its EXIF and XMP no longer have one."""
    alpha = image.alpha
    return replace(
        image,
        pixels=apply_orientation(image.pixels, orientation),
        alpha=None if alpha is None else apply_orientation(alpha[..., None], orientation)[..., 0],
        metadata=_upright_metadata(image.metadata),
    )


def _upright_metadata(metadata: Metadata) -> Metadata:
    metadata = replace(metadata, xmp=IN_XMP.sub(b"", metadata.xmp))
    if not metadata.exif:
        return metadata
    try:
        return replace(metadata, exif=upright_exif(metadata.exif))
    except ValueError as error:
        return replace(metadata, exif=b"").losing(f"damaged EXIF ({error}) was dropped")


def apply_orientation(pixels: Array, orientation: int) -> Array:
    """Return the pixels upright, given EXIF's orientation (1 to 8)."""
    if orientation in TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
