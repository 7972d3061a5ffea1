"""Networks computed by torch, on any of its devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from esrgan_core.devices import resolve_device, resolve_precision
from esrgan_core.inference.engines.engine import Engine, Pixels
from esrgan_core.models.build import Generator
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.sft import SFTNet
from esrgan_core.precision import PrecisionChoice

BLOCK_BYTES = 96 * 2**20
BLOCK_BYTES_CUDA = 2**30
STREAM = 3 * 64
"""Numbers of a feature's residual stream, which stays in float32 in half precision."""


def build_torch(network: NetworkState, device: str, threads: int | None = None) -> "TorchEngine":
    """A network in full precision; `threads` sets those of torch on the CPU.

    Raises:
        ValueError: if the device cannot be used.
    """
    if threads is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    copy = network.build().to(resolve_device(device))
    return TorchEngine(copy.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Raise torch's errors about memory as MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise


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
        self.on_cuda = self.weights.device.type == "cuda"
        self.block_bytes = BLOCK_BYTES_CUDA if self.on_cuda else BLOCK_BYTES

    def may_be_bf16(self, precision: PrecisionChoice) -> bool:
        """Whether `precision` allows bf16 on this device."""
        return resolve_precision(precision, self.weights.device) == "bf16"

    def in_bf16(self) -> "TorchEngine":
        """A copy in bf16."""
        return TorchEngine(deepcopy(self.network).to(torch.bfloat16))

    @_memory_errors()
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

    @_memory_errors()
    @torch.inference_mode()
    def tail(self, features: Tensor) -> Pixels:
        """SR pixels of some of the features, not clipped."""
        sr = self.network.tail(features.contiguous(memory_format=torch.channels_last))
        values: np.ndarray = sr[0].float().cpu().numpy()
        return values

    def free_memory(self) -> int | None:
        """Free bytes of a CUDA device, less a reserve; None for others."""
        return int(torch.cuda.mem_get_info(self.weights.device)[0] * 0.9) if self.on_cuda else None

    def release_memory(self) -> None:
        """Return unused memory to a CUDA device."""
        if self.on_cuda:
            torch.cuda.empty_cache()
