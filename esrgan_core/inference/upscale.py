"""Upscale 8-bit RGB images."""

import numpy as np
from jaxtyping import Float, UInt8

from esrgan_core.inference.engines.torch_engine import TorchEngine
from esrgan_core.inference.tiling import upscale_tiled
from esrgan_core.io.decoded_image import as_type
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.models.build import Generator


def upscale(
    network: Generator,
    lr: UInt8[np.ndarray, "h w 3"],
    semantic_map: UInt8[np.ndarray, "ch cw k"] | None = None,
) -> UInt8[np.ndarray, "hh ww 3"]:
    """Upscale 8-bit RGB by a network in eval mode, on the device of its weights.

    The semantic map of SFTNet is in 255ths.

    Raises:
        NotFiniteError: if the result is not finite.
    """
    engine = TorchEngine(network)
    result = np.empty((lr.shape[0] * engine.scale, lr.shape[1] * engine.scale, 3), dtype=np.uint8)

    def write(top: int, left: int, sr: Float[np.ndarray, "3 h w"]) -> None:
        if not np.isfinite(sr).all():
            raise NotFiniteError
        _, height, width = sr.shape
        block = result[top : top + height, left : left + width]
        block[...] = as_type(sr.transpose(1, 2, 0), np.uint8)

    maps = None if semantic_map is None else _channels_first(semantic_map)
    upscale_tiled(engine, _channels_first(lr), write, semantic_map=maps)
    return result


def _channels_first(pixels: UInt8[np.ndarray, "h w c"]) -> Float[np.ndarray, "c h w"]:
    """8-bit pixels as values in [0, 1]."""
    return (pixels.astype(np.float32) / np.float32(255)).transpose(2, 0, 1)
