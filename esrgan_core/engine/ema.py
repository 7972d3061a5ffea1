"""An exponential moving average of a network's weights."""

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from esrgan_core.engine.flat import FlatParameters, flatten

Network = TypeVar("Network", bound=nn.Module)


class Ema(Generic[Network]):
    """Follows a network: `average = decay * average + (1 - decay) * weights` per update."""

    def __init__(self, network: Network, weights: FlatParameters, decay: float) -> None:
        """Start from the network's current weights; a `decay` of 0 copies them.

        Raises:
            ValueError: if `decay` is not in [0, 1).
        """
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be at least 0 and below 1, got {decay}")
        self.decay = decay
        # in eval mode: validation would otherwise change its statistics
        self.network = deepcopy(network).requires_grad_(requires_grad=False).eval()
        self._average, self._live = flatten(self.network), weights.weights
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, skipped: Tensor) -> None:
        """Average the network's current weights in, unless `skipped` is 1."""
        if self._average.device.type == "cpu":
            # reading the flag is free here, another pass over all weights is not
            if not skipped:
                self._average.lerp_(self._live, 1 - self.decay)
        else:
            # averaging with itself changes nothing
            current = torch.where(skipped > 0, self._average, self._live)
            self._average.lerp_(current, 1 - self.decay)
        # statistics of normalization are averages already
        for own, current in self._buffers:
            own.copy_(current)
