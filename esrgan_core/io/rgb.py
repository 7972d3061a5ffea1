"""Image files to 8-bit RGB arrays and back, as training and metrics use them."""

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from esrgan_core.files import atomic_path
from esrgan_core.io.decoded_image import DecodedImage
from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.reading import read_image

Pixels = UInt8[np.ndarray, "_ _ 3"]


def to_rgb(image: DecodedImage) -> Pixels | None:
    """8-bit RGB, or gray in all three channels; None for other modes.

    Dropping alpha or converting 16 bits would change the image.
    """
    match image.mode:
        case "RGB":
            return image.pixels
        case "L":
            return image.pixels.repeat(3, axis=2)
        case _:
            return None


def read_rgb(source: Path | BytesIO) -> Pixels:
    """Read an 8-bit RGB or gray image, upright.

    Raises:
        BadImageError: if it is damaged, or has another mode.
    """
    image = read_image(source)
    if (pixels := to_rgb(image)) is None:
        raise BadImageError(f"mode {image.mode}; convert it to 8-bit RGB or gray")
    return pixels


def write_png(path: Path, pixels: Pixels) -> None:
    """Write 8-bit RGB losslessly and atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def encode_webp(pixels: Pixels, quality: int | None = None) -> bytes:
    """WebP bytes of 8-bit RGB, of a quality up to 100 or lossless: a fifth smaller than PNG."""
    buffer = BytesIO()
    if quality is None:
        Image.fromarray(pixels).save(buffer, format="WEBP", lossless=True, quality=80, method=4)
    else:
        Image.fromarray(pixels).save(buffer, format="WEBP", quality=quality)
    return buffer.getvalue()


def resize_with_pillow(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pillow's bicubic to (height, width); `io.resize` has MATLAB's."""
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))


def gray_image(pixels: UInt8[np.ndarray, "h w"]) -> Image.Image:
    """Gray pixels as a Pillow image, for libraries that need one."""
    return Image.fromarray(pixels)
