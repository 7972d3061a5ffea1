"""Properties and a thumbnail of an image file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from esrgan_core.io.decoding import open_image
from esrgan_core.io.rgb import Pixels, to_rgb

THUMBNAIL = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class InspectedImage:
    """A fully decoded image."""

    width: int
    height: int
    mode: str
    """As `open_image` yields it."""
    format: str
    pixels: Pixels | None
    """None if training cannot use the mode."""
    thumbnail: UInt8[np.ndarray, "32 32"]
    """The whole image in gray; black if training cannot use the mode."""


def inspect_image(path: Path) -> InspectedImage:
    """Decode a whole image.

    Raises:
        BadImageError: as `open_image`.
    """
    with open_image(path) as (image, mode):
        pixels = to_rgb(image, mode)
        # some modes, such as LAB, have no conversion to gray
        gray = Image.new("L", image.size) if pixels is None else image.convert("L")
        small = gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        return InspectedImage(
            width=image.width,
            height=image.height,
            mode=mode,
            format=image.format or "",
            pixels=pixels,
            thumbnail=np.asarray(small),
        )
