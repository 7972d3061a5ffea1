"""Cropping and the symmetries of the square."""

import numpy as np
from jaxtyping import Shaped, UInt8


def crop_to_multiple(
    pixels: UInt8[np.ndarray, "h w c"], multiple: int
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Cut the right and lower edge so that both sides are multiples, as MATLAB's modcrop.

    Raises:
        ValueError: if a side is shorter than `multiple`.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < multiple:
        raise ValueError(f"a {width}x{height} image has a side below {multiple} pixels")
    return pixels[: height - height % multiple, : width - width % multiple]


def symmetry(pixels: Shaped[np.ndarray, "h w *c"], which: int) -> Shaped[np.ndarray, "..."]:
    """One of the eight symmetries of the square: bit 0 mirrors, bit 1 flips, bit 2 transposes."""
    if which & 1:
        pixels = pixels[:, ::-1]
    if which & 2:
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if which & 4 else pixels
