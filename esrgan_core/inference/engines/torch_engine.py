"""Networks computed by torch, on any of its devices."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet

BLOCK_BYTES = 96 * 2**20
BLOCK_BYTES_CUDA = 2**30
STREAM = 3 * 64
"""Numbers of a feature's residual stream, which stays in float32 in half precision."""


class TorchEngine(Engine):
    """A network in the precision and on the device of its weights."""

    name = "torch"

    def __init__(self, network: Generator) -> None:
        """`network` is in eval mode."""
        self.network = network
        self.weights: Tensor = next(network.parameters())
        size = self.weights.element_size()
        self.scale = network.config.scale
        self.fold = network.fold
        self.trunk_reach, self.tail_reach = network.trunk_reach, network.tail_reach
        # the image, and the residual stream
        full = 4 * (3 + STREAM * (size < 4) / network.fold**2)
        self.trunk_bytes = network.trunk_numbers * size + full
        self.tail_bytes = network.tail_numbers * size
        on_gpu = self.weights.device.type == "cuda"
        self.block_bytes = BLOCK_BYTES_CUDA if on_gpu else BLOCK_BYTES

    @torch.inference_mode()
    def trunk(self, lr: Pixels, semantic_map: Float[np.ndarray, "k ch cw"] | None = None) -> Tensor:
        """Features of pixels in [0, 1]."""
        device = self.weights.device
        images = torch.from_numpy(lr)[None].to(device, memory_format=torch.channels_last)
        if not isinstance(self.network, SFTNet):
            return self.network.trunk(images)
        if semantic_map is None:
            raise ValueError("SFTNet needs a semantic map")
        return self.network.trunk(images, torch.from_numpy(semantic_map)[None].to(device))

    @torch.inference_mode()
    def tail(self, features: Tensor) -> Pixels:
        """SR pixels of some of the features, not clipped."""
        sr = self.network.tail(features.contiguous(memory_format=torch.channels_last))
        values: np.ndarray = sr[0].float().cpu().numpy()
        return values
