"""A network with its weights in one tensor, and the optimizers that update them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from esrgan_core.engine.distributed import World, share_batch_norm
from esrgan_core.engine.flat import FlatParameters
from esrgan_core.engine.optimizers import Adam, OptimizerConfig, Sgd, build_optimizer


class _Group(NamedTuple):
    """Neighboring weights with the same settings."""

    factor: float
    """Of the learning rate."""
    is_frozen_at_start: bool
    optimizer: Adam | Sgd


class FlatOptimizer:
    """Updates a network; one optimizer for each run of parameters with the same settings."""

    def __init__(self, network: nn.Module, config: OptimizerConfig, world: World) -> None:
        """Move the weights of `network` into one tensor.

        Raises:
            ValueError: if a key of `rate_factors` is in no parameter's name.
        """
        share_batch_norm(network, world)
        self.world, self.config = world, config
        names = [name for name, _ in network.named_parameters()]
        if unused := [key for key in config.rate_factors if not any(key in name for name in names)]:
            raise ValueError(f"rate_factors: no parameter's name holds {unused}; there are {names}")
        self.flat, self.updates = FlatParameters(network), 0
        settings = [(config.factor(name), config.is_frozen_at_start(name)) for name in names]
        self._groups = [
            _Group(factor, frozen, build_optimizer(config, weights, gradients))
            for (factor, frozen), weights, gradients in self.flat.runs(settings)
        ]

    def zero_grad(self) -> None:
        """Set the gradients to zero."""
        self.flat.gradients.zero_()

    def step(self, rate: float, *losses: Tensor) -> tuple[Tensor, Tensor]:
        """Update the weights, unless the gradients or the losses are not finite.

        Whether to skip is decided on the device: nothing waits for it.

        Returns:
            (norm of the gradient, 1 if the step was skipped else 0).
        """
        gradients = self.world.sum_(self.flat.gradients)
        norm = torch.linalg.vector_norm(gradients)
        finite = torch.stack([norm, *(loss.detach() for loss in losses)]).isfinite().all()
        skipped = self.world.any((~finite).float())
        for group in self._groups:
            # the averages of frozen weights begin later, too
            if not (group.is_frozen_at_start and self.updates < self.config.freeze_steps):
                group.optimizer.step(self.config.learning_rate * group.factor * rate, skipped)
        self.updates += 1
        return norm, skipped

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' state, in the form of `torch.optim`, and the number of updates."""
        state = {number: group.optimizer.state() for number, group in enumerate(self._groups)}
        return {"optimizer": {"state": state}, "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; an optimizer that it lacks has made no step yet."""
        for number, group in enumerate(self._groups):
            for name, value in state["optimizer"]["state"].get(number, {}).items():
                group.optimizer.state()[name].copy_(value)
        self.updates = state["updates"]
