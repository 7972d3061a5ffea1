"""A network's weights as one tensor, and their gradients; the parameters become views.

An optimizer, an average or a sum over ranks then takes one operation instead of one per layer.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

ALIGNMENT = 16
"""Each parameter takes a multiple of these elements: a cache line of float32."""


class FlatParameters:
    """One network's `weights` and `gradients`.

    The network's own parameters become views and keep their memory layout, so the network must
    have its final device, precision and layout before. The gaps between them hold zeros.
    """

    def __init__(self, network: nn.Module) -> None:
        """Move all parameters of `network`.

        Raises:
            ValueError: if they are of different types or on different devices.
        """
        self.parameters = list(network.parameters())
        self.weights = flatten(network)
        self.gradients: Float[Tensor, " n"] = torch.zeros_like(self.weights)
        for parameter, offset in _offsets(self.parameters):
            parameter.grad = self.gradients.as_strided(parameter.shape, parameter.stride(), offset)

    def runs(self, keys: Sequence[Hashable]) -> Iterator[tuple[Any, Tensor, Tensor]]:
        """Yield (key, weights, gradients) of each run of parameters with equal keys, as views."""
        ends = list(accumulate(map(_padded_size, self.parameters)))
        start = 0
        for key, run in groupby(zip(keys, ends, strict=True), key=lambda each: each[0]):
            *_, (_, end) = run
            yield key, self.weights[start:end], self.gradients[start:end]
            start = end


def flatten(network: nn.Module) -> Float[Tensor, " n"]:
    """Move all weights of `network` into one tensor; its parameters become views.

    Raises:
        ValueError: if they are of different types or on different devices.
    """
    parameters = list(network.parameters())
    kinds = {(parameter.dtype, parameter.device) for parameter in parameters}
    if len(kinds) != 1:
        raise ValueError(f"weights must be of one type on one device, got {kinds}")
    weights = parameters[0].data.new_zeros(sum(map(_padded_size, parameters)))
    for parameter, offset in _offsets(parameters):
        view = weights.as_strided(parameter.shape, parameter.stride(), offset)
        view.copy_(parameter.data)
        parameter.data = view
    return weights


def _padded_size(parameter: Tensor) -> int:
    return -(-parameter.numel() // ALIGNMENT) * ALIGNMENT


def _offsets(parameters: Sequence[Tensor]) -> Iterator[tuple[Tensor, int]]:
    return zip(parameters, accumulate(map(_padded_size, parameters), initial=0), strict=False)
