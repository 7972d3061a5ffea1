"""Image files of all kinds; `tiff_reading` reads TIFFs that Pillow cannot."""

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from esrgan_core.io.decoded_image import Array, DecodedImage
from esrgan_core.io.decoding import BadImageError, open_header, open_image
from esrgan_core.io.exif import ORIENTATION, TRANSPOSED, apply_orientation
from esrgan_core.io.metadata_reading import read_metadata
from esrgan_core.io.tiff_reading import deep_tiff, tiff_size


def read_image(source: Path | BytesIO) -> DecodedImage:
    """Read a PNG, JPEG, WebP, TIFF or BMP; the size is checked before anything is decoded.

    Raises:
        BadImageError: if it is damaged, too large, not an image, a file of several images, or of
            a mode that cannot be upscaled.
    """
    if (deep := deep_tiff(source)) is not None:
        return deep
    with open_image(source) as (image, mode):
        # first: some conversions drop it
        metadata = read_metadata(image)
        pixels, alpha, changes = _channels(image, mode, source)
        orientation = int(image.getexif().get(ORIENTATION, 1))
        return DecodedImage(
            pixels=apply_orientation(pixels, orientation),
            alpha=None if alpha is None else apply_orientation(alpha, orientation)[..., 0],
            metadata=metadata,
            format=image.format or "",
            changes=changes,
        )


def image_size(source: Path | BytesIO) -> tuple[int, int]:
    """(height, width) of the upright image, from the file's header.

    Raises:
        BadImageError: if it is not an image, or too large.
    """
    try:
        with open_header(source) as image:
            transposed = int(image.getexif().get(ORIENTATION, 1)) in TRANSPOSED
            return image.size if transposed else image.size[::-1]
    except BadImageError:
        if (size := tiff_size(source)) is None:
            raise
        return size


def _channels(
    image: Image.Image, mode: str, source: Path | BytesIO
) -> tuple[Array, Array | None, tuple[str, ...]]:
    """(pixels, alpha, changes) of an open image."""
    changes: tuple[str, ...] = ()
    if _is_deep_color(image, mode):
        whole = _decode_png(source) if image.format == "PNG" else None
        if whole is None:
            raise BadImageError(f"16-bit color in {image.format}; save it as PNG or TIFF")
        if "transparency" in image.info:
            raise BadImageError("16-bit color with a transparent color; give it an alpha channel")
        return *_split_alpha(whole), changes
    if image.mode == "1":
        image, changes = image.convert("L"), ("1 bit became 8-bit gray",)
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
        changes = (f"the palette became {image.mode}",)
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
        changes = ("the transparent color became alpha",)
    elif image.mode in ("La", "RGBa", "RGBX"):
        image = image.convert({"La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}[image.mode])
    if image.mode == "F" or image.mode.startswith("I;16"):
        native = np.float32 if image.mode == "F" else np.uint16
        return np.asarray(image).astype(native)[..., None], None, changes
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise BadImageError(f"mode {image.mode}; convert it to RGB, gray or CMYK")
    values = np.asarray(image)
    if image.mode == "CMYK":
        return values, None, changes
    return *_split_alpha(values), changes


def _is_deep_color(image: Image.Image, mode: str) -> bool:
    """Whether Pillow dropped the lower half of 16 bits."""
    return mode.endswith(";16") and not image.mode.startswith("I;16")


def _decode_png(source: Path | BytesIO) -> Array:
    from imagecodecs import png_decode  # noqa: PLC0415  imagecodecs is slow to import

    data = source.getvalue() if isinstance(source, BytesIO) else source.read_bytes()
    decoded: Array = png_decode(data)
    return decoded


def _split_alpha(values: Shaped[np.ndarray, "..."]) -> tuple[Array, Array | None]:
    """(color, alpha) of gray or RGB with or without alpha."""
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] in (2, 4):
        return values[..., :-1], values[..., -1:]
    return values, None
