"""An exponential moving average of a network's weights."""

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class Ema(Generic[Network]):
    """Follows a network: `average = decay * average + (1 - decay) * weights` per update."""

    def __init__(self, network: Network, decay: float) -> None:
        """Start from the network's present weights; `decay` in [0, 1), 0 copies them."""
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be at least 0 and below 1, got {decay}")
        self.decay = decay
        self.network = deepcopy(network).requires_grad_(requires_grad=False)
        self._pairs: tuple[list[Tensor], list[Tensor]] = (
            [*self.network.parameters()],
            [*network.parameters()],
        )
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network's weights as they are now."""
        average, live = self._pairs
        torch._foreach_lerp_(average, live, 1 - self.decay)
        # statistics of normalisation are averages already
        for kept, present in self._buffers:
            kept.copy_(present)
