"""Pixels in the layout of Pillow and the encoders."""

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from esrgan_core.io.decoded_image import Array, Plane


def to_pillow(pixels: Array, alpha: Plane | None) -> Image.Image:
    """8-bit pixels as a Pillow image."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[pixels.shape[2]]
    values = stack_channels(pixels, alpha)
    name = mode if alpha is None else f"{mode}A"
    return Image.frombytes(name, values.shape[1::-1], values.tobytes())


def stack_channels(pixels: Array, alpha: Plane | None) -> Shaped[np.ndarray, "..."]:
    """Color and alpha in one array; gray has no channel axis."""
    values = pixels if alpha is None else np.dstack([pixels, alpha])
    return np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)
