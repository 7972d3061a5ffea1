"""Images as tensors: from pixels and back, cropped, as luma, enlarged; what is not finite."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.luma import BT601

EDGE = 2
"""Pixels beyond the border that enlargement looks at."""


class NotFiniteError(BadImageError):
    """A network made of an image what is no image."""

    def __init__(self, where: str = "") -> None:
        """Say what to do about it, and `where` it was, if that is known."""
        super().__init__(f"{where}the network's result is not finite; take other weights")


def describe_not_finite(state: Mapping[str, Tensor]) -> str:
    """How many tensors hold values that are not finite, and the first's name; empty if none does.

    Waits for the device once.
    """
    if not state:
        return ""
    finite = torch.stack([value.isfinite().all() for value in state.values()]).tolist()
    bad = [name for name, good in zip(state, finite, strict=True) if not good]
    if not bad:
        return ""
    return f"{len(bad)} of {len(state)} tensors hold values that are not finite, first {bad[0]}"


def to_tensor(pixels: UInt8[np.ndarray, "h w c"]) -> Float[Tensor, "1 c h w"]:
    """8-bit pixels as a float32 batch of one in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float().div_(255)


def to_pixels(image: Float[Tensor, "1 3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """A batch of one in [0, 1] as 8-bit pixels: clipped, rounded half up.

    Raises:
        NotFiniteError: if a value is not finite.
    """
    if not bool(image.isfinite().all()):
        raise NotFiniteError
    scaled = image[0].detach().float().clamp(0, 1).mul(255).add(0.5).floor()
    return scaled.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def crop_border(image: Float[Tensor, "b c h w"], border: int) -> Float[Tensor, "b c h2 w2"]:
    """Cut `border` pixels from each side.

    Raises:
        ValueError: if nothing would be left.
    """
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise ValueError(f"a border of {border} leaves nothing of a {width}x{height} image")
    return image[..., border : height - border, border : width - border]


def rgb_to_y(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """BT.601 studio luma of RGB in [0, 1], itself in [16/255, 235/255] (MATLAB's rgb2ycbcr).

    Not rounded, as MATLAB's is for images of class double.
    """
    red, green, blue = image.unbind(1)
    # in place: fresh memory costs more than the arithmetic
    luma = 219 * BT601[0] * red
    luma += 219 * BT601[1] * green
    luma += 219 * BT601[2] * blue
    luma += 16
    luma /= 255
    return luma[:, None]


def enlarge(image: Float[Tensor, "b c h w"], factor: int) -> Float[Tensor, "b c hh ww"]:
    """MATLAB's bicubic by a whole factor as a network's first layer: on its device, in float32.

    Raises:
        ValueError: if a side is shorter than two pixels.
    """
    if min(image.shape[-2:]) < EDGE:
        height, width = image.shape[-2:]
        raise ValueError(
            f"{width}x{height} pixels are too few to enlarge; {EDGE} a side are needed"
        )
    for axis in (2, 3):
        # mirrored with the outermost pixel doubled, which no mode of torch's padding does
        near = image.narrow(axis, 0, EDGE).flip(axis)
        far = image.narrow(axis, image.shape[axis] - EDGE, EDGE).flip(axis)
        image = torch.cat([near, image, far], dim=axis)
    # antialiasing changes nothing in an enlargement, but selects MATLAB's kernel
    wide = interpolate(image, scale_factor=factor, mode="bicubic", antialias=True)
    edge = EDGE * factor
    return wide[..., edge:-edge, edge:-edge]
