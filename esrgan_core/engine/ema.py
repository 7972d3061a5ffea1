"""An exponential moving average of a network's weights."""

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from esrgan_core.engine.flat import Flat, flatten

Network = TypeVar("Network", bound=nn.Module)


class Ema(Generic[Network]):
    """Follows a network: `average = decay * average + (1 - decay) * weights` per update."""

    def __init__(self, network: Network, weights: Flat, decay: float) -> None:
        """Start from the network's present weights.

        Args:
            network: what to follow.
            weights: its weights.
            decay: in [0, 1); 0 copies them.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be at least 0 and below 1, got {decay}")
        self.decay = decay
        # in eval mode: whoever measures it would otherwise change its statistics
        self.network = deepcopy(network).requires_grad_(requires_grad=False).eval()
        self._average, self._live = flatten(self.network), weights.weights
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, skipped: Tensor) -> None:
        """Take in the network's weights as they are now, unless `skipped` is 1."""
        if self._average.device.type == "cpu":
            # reading a flag costs nothing here, passing over all weights once more does
            if not skipped:
                self._average.lerp_(self._live, 1 - self.decay)
        else:
            # towards itself, an average stays what it is
            present = torch.where(skipped > 0, self._average, self._live)
            self._average.lerp_(present, 1 - self.decay)
        # statistics of normalisation are averages already
        for kept, present in self._buffers:
            kept.copy_(present)
