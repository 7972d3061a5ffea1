"""Properties and a thumbnail of an image file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from esrgan_core.io.decoded_image import as_type
from esrgan_core.io.pillow import to_pillow
from esrgan_core.io.reading import read_image
from esrgan_core.io.rgb import Pixels, to_rgb

THUMBNAIL = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectedImage:
    """A fully decoded image; upright."""

    width: int
    height: int
    mode: str
    """As in `DecodedImage`."""
    format: str
    pixels: Pixels | None
    """None if training cannot use the mode."""
    thumbnail: UInt8[np.ndarray, "32 32"]
    """The whole image in gray."""


def inspect_image(path: Path) -> InspectedImage:
    """Decode a whole image.

    Raises:
        BadImageError: as `read_image`.
    """
    image = read_image(path)
    height, width = image.pixels.shape[:2]
    gray = to_pillow(as_type(image.pixels, np.uint8), None).convert("L")
    small = gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return InspectedImage(
        width=width,
        height=height,
        mode=image.mode,
        format=image.format,
        pixels=to_rgb(image),
        thumbnail=np.asarray(small),
    )
