"""Images as tensors: conversion, cropping, luma, enlargement; values that are not finite."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.io.luma import BT601

EDGE = 2
"""Pixels beyond the border that enlargement reads."""


def describe_not_finite(state: Mapping[str, Tensor]) -> str:
    """Describe the tensors with values that are not finite; empty if there are none.

    Waits for the device once.
    """
    flags = [value.isfinite().all() for value in state.values()]
    finite = torch.stack(flags).tolist() if flags else []
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
        ValueError: if no pixels remain.
    """
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise ValueError(f"a {width}x{height} image has no pixels inside a border of {border}")
    return image[..., border : height - border, border : width - border]


def rgb_to_y(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """BT.601 studio luma in [16/255, 235/255] of RGB in [0, 1]: MATLAB's rgb2ycbcr.

    Not rounded, like MATLAB's for images of class double.
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
    """MATLAB's bicubic by a whole factor, as a layer of a network."""
    for axis in (2, 3):
        if image.shape[axis] == 1:
            image = image.repeat_interleave(1 + 2 * EDGE, dim=axis)
            continue
        # mirror with the outermost pixel doubled, which torch's padding cannot
        near = image.narrow(axis, 0, EDGE).flip(axis)
        far = image.narrow(axis, image.shape[axis] - EDGE, EDGE).flip(axis)
        image = torch.cat([near, image, far], dim=axis)
    # antialiasing does not affect enlargement, but selects MATLAB's kernel
    wide = interpolate(image, scale_factor=factor, mode="bicubic", antialias=True)
    edge = EDGE * factor
    return wide[..., edge:-edge, edge:-edge]
