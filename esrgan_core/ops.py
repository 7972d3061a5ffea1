"""Small operations on images that several parts of the library share."""

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor


def crop_border(image: Float[Tensor, "b c h w"], border: int) -> Float[Tensor, "b c h2 w2"]:
    """Cut `border` pixels from each side.

    Raises:
        ValueError: if nothing would be left.
    """
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise ValueError(f"a border of {border} leaves nothing of a {width}x{height} image")
    return image[..., border : height - border, border : width - border]


def crop_to_multiple(
    pixels: UInt8[np.ndarray, "h w c"], multiple: int
) -> UInt8[np.ndarray, "h2 w2 c"]:
    """Cut the right and lower edge so that both sides are multiples, as MATLAB's modcrop.

    Raises:
        ValueError: if a side is shorter than `multiple`.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < multiple:
        raise ValueError(f"a {width}x{height} image has no multiple of {multiple} on a side")
    return pixels[: height - height % multiple, : width - width % multiple]


def rgb_to_y(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """BT.601 studio luma of RGB in [0, 1], itself in [16/255, 235/255] (MATLAB's rgb2ycbcr).

    Not rounded, as MATLAB's is for images of class double.
    """
    red, green, blue = image.unbind(1)
    # 65.481 R + 128.553 G + 24.966 B + 16, in place: fresh memory costs more than the arithmetic
    luma = 65.481 * red
    luma += 128.553 * green
    luma += 24.966 * blue
    luma += 16
    luma /= 255
    return luma[:, None]


def symmetry(pixels: Shaped[np.ndarray, "h w *c"], which: int) -> Shaped[np.ndarray, "..."]:
    """One of the eight symmetries of the square: bit 0 mirrors, bit 1 flips, bit 2 transposes."""
    if which & 1:
        pixels = pixels[:, ::-1]
    if which & 2:
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if which & 4 else pixels
