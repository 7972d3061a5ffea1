"""Adam and SGD over a few large tensors, by torch's fused kernels.

The classes of `torch.optim` compute the same, but the first instance imports torch's compiler,
which takes 3 s of a process's start on a two-core machine. These keep their state in the same form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from esrgan_core.bounds import check_bounds, check_positive

Flat = Float[Tensor, " n"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """Adam's settings, or SGD's; the defaults are the paper's."""

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of Adam's two averages."""
    kind: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.9
    """Of SGD; Adam has none."""
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    """Factors of the rate of parameters whose names contain a key, such as `conv3`."""
    freeze_steps: int = 0
    """First updates, in which only the parameters of `rate_factors` are trained."""

    def __post_init__(self) -> None:
        check_positive(self, "learning_rate")
        check_bounds(self, "betas", "momentum", below=1)
        check_bounds(self, "rate_factors", "freeze_steps")
        if self.freeze_steps and not self.rate_factors:
            raise ValueError(
                f"freeze_steps = {self.freeze_steps} would train nothing, since rate_factors is "
                "empty; name parameters there, or set freeze_steps to 0"
            )

    def factor(self, name: str) -> float:
        """The factor of a parameter's rate; 1 if no key is in its name."""
        return next((factor for key, factor in self.rate_factors.items() if key in name), 1.0)

    def is_frozen_at_start(self, name: str) -> bool:
        """Whether a parameter keeps its value during the first `freeze_steps` updates."""
        return self.freeze_steps > 0 and not any(key in name for key in self.rate_factors)


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) of one tensor."""

    def __init__(self, weights: Flat, gradients: Flat, betas: tuple[float, float]) -> None:
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
        """The tensors of the state, not copies."""
        return {"step": self.updates, "exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}


class Sgd:
    """Stochastic gradient descent with momentum, of one tensor."""

    def __init__(self, weights: Flat, gradients: Flat, momentum: float) -> None:
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
        """The tensors of the state, not copies."""
        return {"momentum_buffer": self.buffer}


def build_optimizer(config: OptimizerConfig, weights: Flat, gradients: Flat) -> Adam | Sgd:
    """The optimizer that `config` describes, without its rate."""
    if config.kind == "sgd":
        return Sgd(weights, gradients, config.momentum)
    return Adam(weights, gradients, config.betas)
