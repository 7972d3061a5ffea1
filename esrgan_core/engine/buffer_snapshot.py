"""Buffers of networks, to be restored after a skipped step."""

import torch
from torch import Tensor, nn


class BufferSnapshot:
    """A copy of the buffers of networks: the statistics of batch normalization."""

    def __init__(self, *networks: nn.Module) -> None:
        self.buffers = [buffer for network in networks for buffer in network.buffers()]
        self.before = [buffer.clone() for buffer in self.buffers]

    def restore(self, skipped: Tensor) -> None:
        """Restore the buffers if `skipped` is 1, without waiting for the device."""
        for buffer, before in zip(self.buffers, self.before, strict=True):
            buffer.copy_(torch.where(skipped > 0, before, buffer))
