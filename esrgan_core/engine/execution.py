"""How a step is computed: its device, precision and processes, and what is trained in it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from esrgan_core.engine.distributed import ALONE, World, share_statistics
from esrgan_core.engine.flat import Flat
from esrgan_core.models.rrdb import RRDBNet

Precision = Literal["fp32", "bf16"]
Compile = Literal["off", "default", "reduce-overhead"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdamConfig:
    """Adam's settings; the defaults are the paper's."""

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """How a step is computed; but for rounding, nothing of it changes the result."""

    precision: Precision = "fp32"
    """bf16: activations in bfloat16, weights and losses in float32."""
    compile: Compile = "off"
    """torch.compile's mode for the generator; reduce-overhead uses CUDA graphs."""
    checkpointing: bool = False
    """Compute the blocks' activations again in the backward pass instead of keeping them."""
    world: World = ALONE
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


PLAIN = Execution()
"""float32 on the CPU, in this process alone."""


class Trained:
    """A network with its weights in one tensor, and Adam over them."""

    def __init__(self, network: nn.Module, adam: AdamConfig, world: World) -> None:
        share_statistics(network, world)
        self.world, self.learning_rate = world, adam.learning_rate
        self.flat = Flat(network)
        self.adam = torch.optim.Adam(
            [self.flat.weights], lr=adam.learning_rate, betas=adam.betas, fused=True
        )

    def clear(self) -> None:
        """Forget the gradients."""
        self.flat.gradients.zero_()

    def update(self, rate: float, *losses: Tensor) -> tuple[Tensor, Tensor]:
        """Step down the gradients, unless they or the losses are not finite.

        Whether to skip is decided on the device: nothing waits for it.

        Returns:
            (norm of the gradient, 1 if the step was skipped else 0).
        """
        gradients = self.world.sum_(self.flat.gradients)
        norm = torch.linalg.vector_norm(gradients)
        finite = torch.stack([norm, *(loss.detach() for loss in losses)]).isfinite().all()
        skipped = self.world.any((~finite).float())
        for group in self.adam.param_groups:
            group["lr"] = self.learning_rate * rate
        # the fused update leaves weights and moments alone where this is 1
        self.adam.found_inf = skipped  # type: ignore[attr-defined]
        self.adam.step()
        return norm, skipped


class Statistics:
    """The buffers of networks as they were, for the case that a step is skipped."""

    def __init__(self, *networks: nn.Module) -> None:
        self.buffers = [buffer for network in networks for buffer in network.buffers()]
        self.before = [buffer.clone() for buffer in self.buffers]

    def put_back(self, skipped: Tensor) -> None:
        """Undo what a skipped step did to them: it took in what was not finite."""
        for buffer, before in zip(self.buffers, self.before, strict=True):
            buffer.copy_(torch.where(skipped > 0, before, buffer))


def prepare(execution: Execution, *networks: nn.Module) -> None:
    """Move networks to the device, in the memory layout that convolutions are fastest in."""
    for network in networks:
        network.to(execution.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stub


def autocast(execution: Execution) -> torch.autocast:
    """The context that networks run in: bfloat16 activations where wanted."""
    enabled = execution.precision == "bf16"
    return torch.autocast(execution.device.type, torch.bfloat16, enabled=enabled)


def runner(generator: RRDBNet, execution: Execution) -> Callable[[Tensor], Tensor]:
    """The generator as it is called in training.

    Raises:
        ValueError: if its activations cannot be computed twice.
    """
    if execution.checkpointing:
        if generator.config.batch_norm:
            raise ValueError("checkpointing would count each batch twice in batch_norm; drop one")
        generator.checkpointing = True
    if execution.compile == "off":
        return generator
    compiled: Callable[[Tensor], Tensor] = torch.compile(generator, mode=execution.compile)
    return compiled


def widened(result: Tensor) -> Tensor:
    """A result of autocast in the precision of the losses."""
    return result.float() if result.dtype == torch.bfloat16 else result
