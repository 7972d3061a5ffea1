"""Upscale 8-bit RGB images."""

from jaxtyping import UInt8
from numpy import empty, ndarray, uint8
from torch import Tensor

from esrgan_core.inference.tiling import upscale_tiled
from esrgan_core.models import Generator
from esrgan_core.tensors import to_pixels, to_tensor


def upscale(
    network: Generator,
    lr: UInt8[ndarray, "h w 3"],
    semantic_map: UInt8[ndarray, "ch cw k"] | None = None,
) -> UInt8[ndarray, "hh ww 3"]:
    """Upscale 8-bit RGB by a network in eval mode, on the device of its weights.

    The semantic map of SFTNet is in 255ths.

    Raises:
        NotFiniteError: if the result is not finite.
    """
    scale = network.config.scale
    result = empty((lr.shape[0] * scale, lr.shape[1] * scale, 3), dtype=uint8)

    def write(top: int, left: int, sr: Tensor) -> None:
        pixels = to_pixels(sr)
        result[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels

    maps = None if semantic_map is None else to_tensor(semantic_map)
    upscale_tiled(network, to_tensor(lr), write, semantic_map=maps)
    return result
