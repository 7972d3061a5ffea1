"""TIFFs of gray, RGB and CMYK in any depth; Pillow reads the other ones."""

from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import ImagePalette

from esrgan_core.io.alpha import unpremultiply
from esrgan_core.io.decoded_image import (
    CHANNELS,
    WHITE,
    DecodedImage,
    Kind,
    as_full_range,
    mode_name,
)
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.tiff_pages import TiffImage

PHOTOMETRIC: dict[str, Kind] = {
    "MINISBLACK": "gray", "MINISWHITE": "gray", "RGB": "rgb", "SEPARATED": "cmyk",
}  # fmt: skip
PREMULTIPLIED, STRAIGHT = 1, 2
ALPHA = (PREMULTIPLIED, STRAIGHT, 999)
"""Values of ExtraSamples that mean alpha; the last one is Corel's."""
JPEG = (6, 7)
"""Compressions: the old one and the new one."""
INK_SET, OTHER_INKS = 332, 2


def needs_pillow(image: TiffImage) -> bool:
    """Whether Pillow reads the image: palettes, YCbCr of JPEG, and black and white."""
    bits = image.page.bitspersample
    if bits == 1 and image.page.samplesperpixel == 1:
        return True
    name = _photometric(image.page)
    coded = name == "PALETTE" or (name == "YCBCR" and image.page.compression in JPEG)
    return coded and bits in (2, 4, 8)


def palette_of_8_bits(image: TiffImage) -> ImagePalette.ImagePalette | None:
    """The palette of old programs, whose colors end at 255 instead of 65535, as in libtiff."""
    colors = image.page.colormap
    if colors is None or not 0 < colors.max() < 256:
        return None
    return ImagePalette.raw("RGB;L", colors.astype(np.uint8).tobytes())


def decode_tiff(image: TiffImage) -> DecodedImage:
    """Decode a gray, RGB or CMYK image as it is stored, without applying its orientation.

    Samples of other depths are scaled to 8 or 16 bits. Extra channels of no stated meaning are
    left out; so is the metadata.

    Raises:
        BadImageError: if it is damaged, or has samples or channels that cannot be upscaled.
    """
    page = image.page
    kind, extra = _channels(page)
    values, changes = _samples(image)
    colors, is_float = CHANNELS[kind], values.dtype == np.float32
    color, alpha = values[..., :colors], None
    if _photometric(page) == "MINISWHITE":
        color = np.asarray(WHITE[color.dtype], dtype=color.dtype) - color
    alphas = [number for number, one in enumerate(extra) if one in ALPHA]
    if alphas:
        alpha = values[..., colors + alphas[0]]
        if extra[alphas[0]] == PREMULTIPLIED:
            color = unpremultiply(color, alpha)
    return DecodedImage(
        pixels=color,
        alpha=alpha,
        format="TIFF",
        mode=mode_name(kind, bool(alphas), page.bitspersample, is_float=is_float),
        changes=tuple(changes),
    )


def unknown_channels(image: TiffImage) -> list[str]:
    """What was left out: channels that are neither color nor the first alpha."""
    kinds = [int(one) in ALPHA for one in image.page.extrasamples]
    if not (count := len(kinds) - any(kinds)):
        return []
    return [f"{count} extra channel{'s' * (count > 1)} of no stated meaning left out"]


def _photometric(page: Any) -> str:
    # unknown ones are numbers
    return getattr(page.photometric, "name", str(page.photometric))


def _channels(page: Any) -> tuple[Kind, list[int]]:
    """The kind of the colors, and the ExtraSamples of the other channels."""
    name, samples = _photometric(page), page.samplesperpixel
    kind = PHOTOMETRIC.get(name)
    extra = [int(one) for one in page.extrasamples]
    if kind and not extra and samples == CHANNELS[kind] + 1:
        # programs that omit the tag mean alpha
        extra = [STRAIGHT]
    if not kind or samples != CHANNELS[kind] + len(extra):
        plural = "s" * (samples > 1)
        raise BadImageError(f"{samples} channel{plural} as {name}; convert it to RGB, gray or CMYK")
    if kind == "cmyk" and page.tags.valueof(INK_SET) == OTHER_INKS:
        raise BadImageError("inks other than CMYK; convert it to RGB, gray or CMYK")
    return kind, extra


def _samples(image: TiffImage) -> tuple[Shaped[np.ndarray, "_ _ _"], list[str]]:
    """The samples as uint8, uint16 or float32, and the changes."""
    values, bits = image.values(), image.page.bitspersample
    if values.dtype == np.bool_:
        values = values.view(np.uint8)
    kind = values.dtype
    if np.issubdtype(kind, np.floating):
        with np.errstate(over="ignore"):
            changes = [] if kind == np.float32 else [f"float of {bits} bits became 32 bits"]
            return values.astype(np.float32), changes
    if kind not in (np.uint8, np.uint16) or not isinstance(bits, int):
        raise BadImageError(
            f"samples of {bits} bits as {kind}; convert them to 8 or 16 bits, unsigned"
        )
    if bits in (8, 16):
        return values, []
    scaled = as_full_range(values, bits)
    return scaled, [f"{bits} bit{'s' * (bits > 1)} became {scaled.itemsize * 8}"]
