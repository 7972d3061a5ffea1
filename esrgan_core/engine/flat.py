"""A network's weights, and their gradients, each as one tensor that the parameters are views of.

An optimizer, an average or a sum over ranks then takes one operation instead of one per layer.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

ALIGNMENT = 16
"""Elements that each parameter's place is rounded up to: a cache line of float32."""


class Flat:
    """One network's weights and gradients; `weights` is what an optimizer updates.

    The network's own parameters become views, in the memory layout that they have, so it must be
    on its device and in its precision and layout before, and stay there. The gaps between them
    hold zeros.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take over all parameters of `network`.

        Raises:
            ValueError: if they are of different types or on different devices.
        """
        self.parameters = list(network.parameters())
        self.weights = flatten(network)
        self.gradients: Float[Tensor, " n"] = torch.zeros_like(self.weights)
        for parameter, offset in _places(self.parameters):
            parameter.grad = self.gradients.as_strided(parameter.shape, parameter.stride(), offset)

    def runs(self, alike: Sequence[Hashable]) -> Iterator[tuple[Any, Tensor, Tensor]]:
        """Weights and gradients of each run of neighbors of which `alike` says the same.

        Args:
            alike: something for each parameter, in their order.

        Yields:
            (what `alike` says, the weights, the gradients), both views of shape (n,).
        """
        ends = list(accumulate(map(_room, self.parameters)))
        start = 0
        for what, run in groupby(zip(alike, ends, strict=True), key=lambda each: each[0]):
            *_, (_, end) = run
            yield what, self.weights[start:end], self.gradients[start:end]
            start = end


def flatten(network: nn.Module) -> Float[Tensor, " n"]:
    """Move all weights of `network` into one tensor that its parameters are views of from now on.

    Raises:
        ValueError: if they are of different types or on different devices.
    """
    parameters = list(network.parameters())
    kinds = {(parameter.dtype, parameter.device) for parameter in parameters}
    if len(kinds) != 1:
        raise ValueError(f"weights must be of one type on one device, got {kinds}")
    weights = parameters[0].data.new_zeros(sum(map(_room, parameters)))
    for parameter, offset in _places(parameters):
        place = weights.as_strided(parameter.shape, parameter.stride(), offset)
        place.copy_(parameter.data)
        parameter.data = place
    return weights


def _room(parameter: Tensor) -> int:
    return -(-parameter.numel() // ALIGNMENT) * ALIGNMENT


def _places(parameters: Sequence[Tensor]) -> Iterator[tuple[Tensor, int]]:
    """(parameter, offset of its place)."""
    return zip(parameters, accumulate(map(_room, parameters), initial=0), strict=False)
