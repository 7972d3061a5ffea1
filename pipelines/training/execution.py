"""How a training computes on this machine: device, precision and processes."""

import sys

import torch

from esrgan_core.devices import (
    Precision,
    PrecisionChoice,
    bf16_slowdown,
    has_native_bf16,
    resolve_precision,
)
from esrgan_core.engine.execution import Execution
from esrgan_core.memory import keep_freed_memory
from pipelines.training.config import TrainingConfig
from pipelines.training.distributed import (
    broadcast_from_main,
    current_device,
    current_world,
    set_determinism,
)


def resolve_execution(stage: str, config: TrainingConfig) -> Execution:
    """Resolve device, precision and processes from a section and the environment.

    The main process resolves the precision for all processes and logs it.
    """
    set_determinism(on=config.deterministic)
    device, world = current_device(), current_world()
    if device.type == "cpu":
        keep_freed_memory()
    precision: Precision = broadcast_from_main(  # type: ignore[assignment]  # a str there
        "precision", lambda: resolve_precision(config.precision, device), world
    )
    if world.is_main:
        message = precision_message(config.precision, precision, device)
        print(f"{stage}: {message}", file=sys.stderr, flush=True)
    return Execution(
        precision=precision,
        compile=config.compile,
        checkpointing=config.checkpointing,
        world=world,
        device=device,
    )


def precision_message(choice: PrecisionChoice, precision: Precision, device: torch.device) -> str:
    """The precision of a training and why; a warning if the device emulates bf16.

    The warning contains a measured slowdown, which takes about a second.
    """
    if precision == "bf16" and not has_native_bf16(device):
        return (
            f"warning: precision is bf16, which {device} emulates: a convolution takes "
            f"{bf16_slowdown(device):.1f} times as long as in fp32 (just measured); "
            "set precision to auto"
        )
    message = f"training in {precision} on {device}"
    if choice == "auto":
        native = "computes in bf16" if precision == "bf16" else "does not compute in bf16"
        message += f" (auto: {device} {native} natively)"
    return message
