"""Adam and SGD over a few large tensors, by torch's fused kernels.

`torch.optim`'s classes compute the same, but the first one that is made imports torch's compiler,
3 s of a process's start on a two-core machine. These keep their state in the same form.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) of one tensor."""

    def __init__(
        self,
        weights: Float[Tensor, " n"],
        gradients: Float[Tensor, " n"],
        betas: tuple[float, float],
    ) -> None:
        """Begin with averages of zero."""
        self.weights, self.gradients, self.betas = weights, gradients, betas
        self.updates = weights.new_zeros(())
        self.exp_avg, self.exp_avg_sq = torch.zeros_like(weights), torch.zeros_like(weights)

    def step(self, rate: float, skipped: Float[Tensor, ""]) -> None:
        """Take one step, unless `skipped` is 1: then weights and averages keep their values."""
        adam(
            [self.weights],
            [self.gradients],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.updates],
            fused=True,
            found_inf=skipped,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """The averages themselves, to be saved or written into."""
        return {"step": self.updates, "exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}


class Sgd:
    """Stochastic gradient descent with momentum, of one tensor."""

    def __init__(
        self, weights: Float[Tensor, " n"], gradients: Float[Tensor, " n"], momentum: float
    ) -> None:
        """Begin with a momentum of zero."""
        self.weights, self.gradients, self.momentum = weights, gradients, momentum
        self.buffer = torch.zeros_like(weights)

    def step(self, rate: float, skipped: Float[Tensor, ""]) -> None:
        """Take one step, unless `skipped` is 1: then weights and momentum keep their values."""
        sgd(
            [self.weights],
            [self.gradients],
            [self.buffer],
            fused=True,
            found_inf=skipped,
            weight_decay=0.0,
            momentum=self.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """The momentum itself, to be saved or written into."""
        return {"momentum_buffer": self.buffer}


Optimizer = Adam | Sgd


def state_dict(optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """The state of several, in the form of `torch.optim.Optimizer.state_dict`."""
    return {"state": {number: one.state() for number, one in enumerate(optimizers)}}


def load_state_dict(optimizers: Sequence[Optimizer], saved: Mapping[str, Any]) -> None:
    """Go on from a saved state; an optimizer that it does not hold has made no step yet."""
    for number, one in enumerate(optimizers):
        for name, value in saved["state"].get(number, {}).items():
            one.state()[name].copy_(value)
