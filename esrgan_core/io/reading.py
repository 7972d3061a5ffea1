"""Image files of all kinds."""

from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from esrgan_core.io.decoded_image import KINDS, WHITE, DecodedImage, Metadata, mode_name
from esrgan_core.io.decoding import BadImageError, open_header
from esrgan_core.io.deep_decoding import decode_deep, stored_bits
from esrgan_core.io.exif import ORIENTATION, parse_exif
from esrgan_core.io.ifd import whole_number
from esrgan_core.io.metadata_reading import read_metadata, read_tiff_metadata, with_rest
from esrgan_core.io.orientation import (
    TRANSPOSED,
    apply_orientation,
    find_orientation,
    make_upright,
)
from esrgan_core.io.profiles import without_damaged_profile
from esrgan_core.io.tga import correct_alpha
from esrgan_core.io.tiff_pages import TiffImage, open_tiff
from esrgan_core.io.tiff_reading import (
    decode_tiff,
    needs_pillow,
    palette_of_8_bits,
    unknown_channels,
)


def read_image(source: Path | BytesIO) -> DecodedImage:
    """Read an image of any supported format; its size is checked before anything is decoded.

    Raises:
        BadImageError: if it is damaged, too large, not an image, a file of several images, or of
            a mode that cannot be upscaled.
    """
    with open_tiff(source) as tiff:
        image = _read_by_pillow(source) if tiff is None else _read_tiff(tiff, source)
    if image.pixels.dtype == np.float32:
        _check_floats(image)
    return replace(image, metadata=without_damaged_profile(image.metadata))


def image_size(source: Path | BytesIO) -> tuple[int, int]:
    """(height, width) of the upright image, from the file's header.

    Raises:
        BadImageError: if it is not an image, or too large.
    """
    with open_tiff(source) as tiff:
        if tiff is not None:
            size = tiff.page.imagelength, tiff.page.imagewidth
            return size[::-1] if _tiff_orientation(tiff) in TRANSPOSED else size
    with open_header(source) as image:
        turn = _orientation(read_metadata(image, source))
        return image.size if turn in TRANSPOSED else image.size[::-1]


def _orientation(metadata: Metadata) -> int:
    in_exif = None
    with suppress(ValueError):  # damaged EXIF is reported later
        exif = parse_exif(metadata.exif)
        if ORIENTATION in exif.main:
            in_exif = whole_number(exif.layout, exif.main[ORIENTATION])
    return find_orientation(in_exif, metadata.xmp)


def _tiff_orientation(tiff: TiffImage) -> int:
    exif = tiff.page.tags.valueof(ORIENTATION)
    return find_orientation(exif, read_tiff_metadata(tiff.page).xmp)


def _read_tiff(tiff: TiffImage, source: Path | BytesIO) -> DecodedImage:
    orientation = _tiff_orientation(tiff)
    if needs_pillow(tiff):
        with open_header(source, frame=tiff.page.index) as opened:
            # Pillow applies it
            opened.getexif()[ORIENTATION] = orientation
            if (palette := palette_of_8_bits(tiff)) is not None:
                opened.palette = palette
            image = _decode(opened, source)
        turn = 1
    else:
        image, turn = decode_tiff(tiff), orientation
    image = make_upright(replace(image, metadata=read_tiff_metadata(tiff.page)), turn)
    changes = [*image.changes, *unknown_channels(tiff)]
    if tiff.mask_page is None:
        return replace(image, changes=tuple(changes))
    alpha, opaque = image.alpha, apply_orientation(tiff.mask(), orientation)[..., 0]
    if alpha is None and opaque.shape == image.pixels.shape[:2]:
        alpha = opaque * np.asarray(WHITE[image.pixels.dtype], dtype=image.pixels.dtype)
        changes.append("the transparency mask became alpha")
    else:
        changes.append("the transparency mask was left out")
    return replace(image, alpha=alpha, changes=tuple(changes))


def _read_by_pillow(source: Path | BytesIO) -> DecodedImage:
    with open_header(source) as opened:
        image = _decode(opened, source, stored_bits(opened, source))
        metadata = with_rest(read_metadata(opened, source), opened, source)
        orientation = _orientation(metadata)
    return make_upright(replace(image, metadata=metadata), orientation)


def _decode(image: Image.Image, source: Path | BytesIO, bits: int = 8) -> DecodedImage:
    """Decode every pixel of an opened image of some bits, so that a truncated file fails here."""
    image.load()
    values, changes = _values(image, source, bits)
    if values.ndim == 2:
        values = values[..., None]
    has_alpha = values.shape[2] in (2, 4) and image.mode != "CMYK"
    colors, alpha = (values[..., :-1], values[..., -1]) if has_alpha else (values, None)
    is_own = image.mode in ("1", "P", "PA", "F")
    return DecodedImage(
        pixels=colors,
        alpha=alpha,
        format=image.format or "",
        mode=image.mode if is_own else mode_name(KINDS[colors.shape[2]], has_alpha, bits),
        changes=tuple(changes),
    )


def _values(
    image: Image.Image, source: Path | BytesIO, bits: int
) -> tuple[Shaped[np.ndarray, "..."], list[str]]:
    """(values with alpha, changes) of a loaded image."""
    mode, is_clear = image.mode, "transparency" in image.info
    if mode in ("P", "PA"):
        target = "RGBA" if is_clear or mode == "PA" else "RGB"
        return np.asarray(image.convert(target)), [f"the palette became {target}"]
    changes = ["1 bit became 8-bit gray"] if mode == "1" else []
    if is_clear:
        changes.append("the transparent color became alpha")
    if bits not in (8, 16):
        changes.append(f"{bits} bits became {8 if bits < 8 else 16}")
    if mode == "I" and image.format == "PPM":
        return np.asarray(image).astype(np.uint16), changes
    if bits > 8 or (is_clear and image.format == "PNG"):
        return decode_deep(image, source, bits), changes
    if image.format == "TGA":
        values, added = correct_alpha(np.asarray(image), source)
        return values, [*changes, *added]
    if mode == "F":
        return np.asarray(image), changes
    if mode == "1" or is_clear:
        image = image.convert({"1": "L", "L": "LA"}.get(mode, "RGBA"))
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise BadImageError(f"mode {image.mode}; convert it to RGB, gray or CMYK")
    return np.asarray(image), changes


def _check_floats(image: DecodedImage) -> None:
    for values in (image.pixels, image.alpha):
        if values is not None and (bad := values.size - np.count_nonzero(np.isfinite(values))):
            raise BadImageError(
                f"{bad} of {values.size} values are not finite (NaN or infinite); replace them"
            )
    if image.alpha is not None and (image.alpha.min() < 0 or image.alpha.max() > 1):
        raise BadImageError(
            f"alpha from {image.alpha.min():g} to {image.alpha.max():g}; scale it to [0, 1]"
        )
