"""How a training computes: device, precision, and one process per GPU, each with a part of a batch.

`ESRGAN_DEVICE` (cpu, cuda, cuda:1) selects the device; by default all GPUs are used. None of it
changes the result, except for rounding. See `launcher` for the start of the processes.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # not in its list of names
from torch.distributed.rendezvous import rendezvous

from esrgan_core.devices import bf16_slowdown, has_native_bf16, resolve_precision
from esrgan_core.engine.distributed import World
from esrgan_core.engine.execution import Execution
from esrgan_core.memory import keep_freed_memory
from esrgan_core.precision import Precision, PrecisionChoice
from pipelines.config.errors import UserError
from pipelines.runtime.state import requested_device
from pipelines.training.config import TrainingConfig

TIMEOUT = timedelta(days=7)
"""How long processes wait for each other: one may validate, or wait for the device."""


def resolve_execution(stage: str, config: TrainingConfig) -> Execution:
    """Resolve device, precision and processes; a UserError if `ESRGAN_DEVICE` is not a device."""
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
    """The precision of a training and why; if bf16 is emulated, a warning with its slowdown."""
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


def current_world() -> World:
    """Rank and number of the processes, from the launcher; a single process without one."""
    return World(rank=int(os.environ.get("RANK", "0")), size=int(os.environ.get("WORLD_SIZE", "1")))


def current_device() -> torch.device:
    """The device of this process; raises as `resolve_execution`."""
    name = requested_device()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UserError(
            f"ESRGAN_DEVICE is {name!r}, which is not a device; set it to auto, cpu, cuda or cuda:1"
        ) from error


def training_devices(world: World) -> list[str]:
    """Names of all devices on this machine that a training uses."""
    device = current_device()
    if device.type != "cuda" or world.size == 1:
        return [str(device)]
    return [f"cuda:{rank}" for rank in range(int(os.environ.get("LOCAL_WORLD_SIZE", world.size)))]


def device_identifier(device: str) -> str:
    """An identifier that is unique among machines with one state root, which `cuda:0` is not."""
    if torch.device(device).type == "cuda":
        return f"gpu-{torch.cuda.get_device_properties(device).uuid}"
    return f"{device}-of-{platform.node()}"


def broadcast_from_main(key: str, decide: Callable[[], str], world: World) -> str:
    """Call `decide` in the main process and return its result in all processes."""
    if world.size == 1:
        return decide()
    store, _, _ = _rendezvous()
    if world.is_main:
        store.set(key, decide())
    return str(store.get(key).decode())


def _rendezvous() -> tuple[PrefixStore, int, int]:
    """(store, rank, size) of this attempt; the launcher's store outlives failed processes."""
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"attempt {attempt}", store), rank, size


@contextmanager
def process_group(world: World) -> Iterator[None]:
    """Connect the processes of a training: gloo between CPUs, NCCL between GPUs."""
    if world.size == 1:
        yield
        return
    backend, device = "gloo", current_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    store, rank, size = _rendezvous()
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def set_determinism(*, on: bool) -> None:
    """Use deterministic GPU algorithms, or the fastest ones."""
    if not torch.cuda.is_available():
        return
    if on:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(on)
    # benchmarks select a convolution by its time, which varies
    torch.backends.cudnn.benchmark = not on
