"""Images through a network."""

from jaxtyping import UInt8
from numpy import empty, ndarray, uint8
from torch import Tensor

from esrgan_core.inference.parts import in_parts
from esrgan_core.models import Generator
from esrgan_core.tensors import to_pixels, to_tensor


def upscale(
    network: Generator,
    lr: UInt8[ndarray, "h w 3"],
    condition: UInt8[ndarray, "ch cw k"] | None = None,
) -> UInt8[ndarray, "hh ww 3"]:
    """Upscale 8-bit RGB by the network's scale, on the device of its weights.

    Args:
        network: in eval mode.
        lr: the image.
        condition: what SFTNet is told of it, in 255ths.

    Raises:
        NotFiniteError: if the result is not finite.
    """
    scale = network.config.scale
    result = empty((lr.shape[0] * scale, lr.shape[1] * scale, 3), dtype=uint8)

    def write(top: int, left: int, sr: Tensor) -> None:
        pixels = to_pixels(sr)
        result[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels

    told = None if condition is None else to_tensor(condition)
    in_parts(network, to_tensor(lr), write, condition=told)
    return result
