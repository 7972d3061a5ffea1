"""How a step is computed: device, precision, compilation, processes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.compiler.config
from torch import Tensor, nn

from esrgan_core.engine.distributed import SINGLE_PROCESS, World
from esrgan_core.models.build import Generator
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.precision import Precision

Compile = Literal["off", "default", "reduce-overhead"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """How a step is computed; except for rounding, this does not change the result."""

    precision: Precision = "fp32"
    """bf16: activations in bfloat16, weights and losses in float32."""
    compile: Compile = "off"
    """torch.compile's mode for the generator; reduce-overhead uses CUDA graphs."""
    checkpointing: bool = False
    """Recompute the blocks' activations in the backward pass instead of keeping them."""
    world: World = SINGLE_PROCESS
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def prepare(self, *networks: nn.Module) -> None:
        """Move networks to the device, in the memory layout in which convolutions are fastest."""
        for network in networks:
            network.to(self.device)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stub

    def autocast(self) -> torch.autocast:
        """The context in which networks run."""
        enabled = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def compile_generator(self, generator: Generator) -> Callable[..., Tensor]:
        """The generator as training calls it: with checkpointing and compiled, if configured.

        Raises:
            ValueError: if its activations cannot be computed twice.
        """
        if self.checkpointing:
            if not isinstance(generator, RRDBNet):
                raise ValueError(
                    f"{type(generator).__name__} keeps its activations; set checkpointing to false"
                )
            if has_batch_norm(generator):
                raise ValueError(
                    "checkpointing would count each batch twice in batch_norm; disable one"
                )
            generator.checkpointing = True
        if self.compile == "off":
            return generator
        # the compiler's cache on disk ignores the CPU's vector extensions, and would run kernels
        # of another processor (a home directory in a cluster): NaN, or memory overwritten
        torch.compiler.config.cache_key_tag = torch.backends.cpu.get_cpu_capability()
        compiled: Callable[..., Tensor] = torch.compile(generator, mode=self.compile)
        return compiled


DEFAULT_EXECUTION = Execution()
"""float32 on the CPU, in this process only."""


def has_batch_norm(network: nn.Module) -> bool:
    """Whether an image's result depends on the rest of its batch."""
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def to_loss_precision(result: Tensor) -> Tensor:
    """A result of autocast in the precision of the losses."""
    return result.float() if result.dtype == torch.bfloat16 else result
