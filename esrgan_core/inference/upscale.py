"""One whole picture through one network."""

import torch
from jaxtyping import UInt8
from numpy import ndarray

from esrgan_core.image import to_pixels, to_tensor
from esrgan_core.models import Generator


@torch.inference_mode()
def upscale(
    network: Generator,
    lr: UInt8[ndarray, "h w 3"],
    condition: UInt8[ndarray, "ch cw k"] | None = None,
) -> UInt8[ndarray, "hh ww 3"]:
    """Upscale 8-bit RGB by the network's scale in fp32, on the device of its weights.

    Args:
        network: in eval mode.
        lr: the picture.
        condition: what SFTNet is told of it, in 255ths.
    """
    weights = next(network.parameters())
    batch = to_tensor(lr).to(weights.device, memory_format=torch.channels_last)
    if condition is None:
        return to_pixels(network(batch))
    return to_pixels(network(batch, to_tensor(condition).to(weights.device)))
