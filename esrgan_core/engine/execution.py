"""How a step is computed: its device, precision and processes, and what is trained in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
import torch.compiler.config
from torch import Tensor, nn

from esrgan_core.bounds import check_bounds, check_positive
from esrgan_core.devices import Precision
from esrgan_core.engine import optimizers
from esrgan_core.engine.distributed import SINGLE_PROCESS, World, share_statistics
from esrgan_core.engine.flat import Flat
from esrgan_core.engine.optimizers import Adam, Optimizer, Sgd
from esrgan_core.models import Generator
from esrgan_core.models.rrdb import RRDBNet

Compile = Literal["off", "default", "reduce-overhead"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """Adam's settings, or SGD's; the defaults are the paper's."""

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of Adam's two averages."""
    kind: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.9
    """SGD's; Adam has none."""
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    """What the rate is multiplied with in parameters whose name holds the key, as `conv3`."""
    freeze_steps: int = 0
    """Updates at the start in which only the parameters of `rate_factors` are trained."""

    def __post_init__(self) -> None:
        """Refuse what diverges, or trains nothing."""
        check_positive(self, "learning_rate")
        check_bounds(self, "betas", "momentum", below=1)
        check_bounds(self, "rate_factors", "freeze_steps")
        if self.freeze_steps and not self.rate_factors:
            raise ValueError(
                f"freeze_steps = {self.freeze_steps} would train nothing, since rate_factors is "
                "empty; name parameters there, or set freeze_steps to 0"
            )

    def factor(self, name: str) -> float:
        """What the rate of a parameter is multiplied with; 1 where no key says otherwise."""
        return next((factor for key, factor in self.rate_factors.items() if key in name), 1.0)

    def starts_frozen(self, name: str) -> bool:
        """Whether a parameter keeps its value in the first `freeze_steps` updates."""
        return self.freeze_steps > 0 and not any(key in name for key in self.rate_factors)


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """How a step is computed; but for rounding, nothing of it changes the result."""

    precision: Precision = "fp32"
    """bf16: activations in bfloat16, weights and losses in float32."""
    compile: Compile = "off"
    """torch.compile's mode for the generator; reduce-overhead uses CUDA graphs."""
    checkpointing: bool = False
    """Compute the blocks' activations again in the backward pass instead of keeping them."""
    world: World = SINGLE_PROCESS
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


PLAIN = Execution()
"""float32 on the CPU, in this process alone."""


class FlatOptimizer:
    """A network with its weights in one tensor, and what updates them.

    There is one optimizer for each run of parameters that are treated alike.
    """

    def __init__(self, network: nn.Module, config: OptimizerConfig, world: World) -> None:
        """Take over the weights of `network`.

        Raises:
            ValueError: if a key of `rate_factors` is in no parameter's name.
        """
        share_statistics(network, world)
        self.world, self.config = world, config
        names = [name for name, _ in network.named_parameters()]
        if idle := [key for key in config.rate_factors if not any(key in name for name in names)]:
            raise ValueError(f"rate_factors: no parameter's name holds {idle}; there are {names}")
        self.flat, self.updates = Flat(network), 0
        alike = [(config.factor(name), config.starts_frozen(name)) for name in names]
        self._parts = [
            _Part(factor, frozen, _optimizer(config, weights, gradients))
            for (factor, frozen), weights, gradients in self.flat.runs(alike)
        ]

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
        for part in self._parts:
            # what is held begins its averages later, too
            if not (part.starts_frozen and self.updates < self.config.freeze_steps):
                part.optimizer.step(self.config.learning_rate * part.factor * rate, skipped)
        self.updates += 1
        return norm, skipped

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' state, and how many updates there were."""
        return {"optimizer": optimizers.state_dict(self._optimizers()), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        optimizers.load_state_dict(self._optimizers(), state["optimizer"])
        self.updates = state["updates"]

    def _optimizers(self) -> list[Optimizer]:
        return [part.optimizer for part in self._parts]


class _Part(NamedTuple):
    """Neighboring weights that are treated alike."""

    factor: float
    """What their rate is multiplied with."""
    starts_frozen: bool
    optimizer: Optimizer


def _optimizer(config: OptimizerConfig, weights: Tensor, gradients: Tensor) -> Optimizer:
    if config.kind == "sgd":
        return Sgd(weights, gradients, config.momentum)
    return Adam(weights, gradients, config.betas)


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


def normalises(network: nn.Module) -> bool:
    """Whether batch normalisation makes a image's result depend on the rest of its batch."""
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def runner(generator: Generator, execution: Execution) -> Callable[..., Tensor]:
    """The generator as it is called in training.

    Raises:
        ValueError: if its activations cannot be computed twice.
    """
    if execution.checkpointing:
        if not isinstance(generator, RRDBNet):
            raise ValueError(
                f"{type(generator).__name__} keeps its activations; set checkpointing to false"
            )
        if normalises(generator):
            raise ValueError("checkpointing would count each batch twice in batch_norm; drop one")
        generator.checkpointing = True
    if execution.compile == "off":
        return generator
    # its cache on disk does not look at the vectors kernels were made for, and would run kernels
    # of another processor (a home directory in a cluster): NaN, or memory overwritten
    torch.compiler.config.cache_key_tag = torch.backends.cpu.get_cpu_capability()
    compiled: Callable[..., Tensor] = torch.compile(generator, mode=execution.compile)
    return compiled


def widened(result: Tensor) -> Tensor:
    """A result of autocast in the precision of the losses."""
    return result.float() if result.dtype == torch.bfloat16 else result
