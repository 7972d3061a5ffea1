"""One whole picture through one network."""

import torch
from jaxtyping import UInt8
from numpy import ndarray

from esrgan_core.image import to_pixels, to_tensor
from esrgan_core.models import Generator


@torch.inference_mode()
def upscale(network: Generator, lr: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "hh ww 3"]:
    """Upscale 8-bit RGB by the network's scale in fp32, on the device of its weights."""
    weights = next(network.parameters())
    batch = to_tensor(lr).to(weights.device, memory_format=torch.channels_last)
    return to_pixels(network(batch))
