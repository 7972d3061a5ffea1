"""Processes and devices of a training: one process per GPU, started here when there are several.

`ESRGAN_DEVICE` (cpu, cuda, cuda:1) chooses the device, else the GPUs that are there are used;
`ESRGAN_RANKS` chooses the number of processes, else there is one per GPU. None of it changes the
mathematics: the batch is shared.

Over several machines with one state root and one workspace, one runs the stage with `ESRGAN_NODES`
and `ESRGAN_RENDEZVOUS` (host:port) set, and the others join by torchrun; see deploy/multinode.sh.
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

from esrgan_core.engine.distributed import World
from pipelines.runtime.device import requested_device

RENDEZVOUS = "ESRGAN_RENDEZVOUS"
RESTARTS = 3
"""Times that failed processes are started again, from the last state."""
PATIENCE = timedelta(days=7)
"""How long processes wait for each other: one may validate, or wait for the device."""


def world_of_environment() -> World:
    """The processes that share this training, as the launcher says; else this one alone."""
    return World(rank=int(os.environ.get("RANK", "0")), size=int(os.environ.get("WORLD_SIZE", "1")))


def device_of_rank() -> torch.device:
    """The device of this process.

    Raises:
        ValueError: if `ESRGAN_DEVICE` names none.
    """
    name = requested_device()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"ESRGAN_DEVICE is {name!r}, which is no device; take auto, cpu, cuda or cuda:1"
        ) from error


def devices_of_world(world: World) -> list[str]:
    """Names of all devices that a training uses."""
    device = device_of_rank()
    if device.type != "cuda" or world.size == 1:
        return [str(device)]
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world.size))
    return [f"cuda:{index}" for index in range(here)]


def identity_of(device: str) -> str:
    """What tells a device from all others whose trainings may have the same state root.

    `cuda:0` is another GPU on every machine and with every `CUDA_VISIBLE_DEVICES`.
    """
    if torch.device(device).type == "cuda":
        return f"gpu-{torch.cuda.get_device_properties(device).uuid}"
    return f"{device}-of-{platform.node()}"


def ranks_wanted() -> int:
    """How many processes a training should have here.

    Raises:
        ValueError: if `ESRGAN_RANKS` is no number above 0.
    """
    if given := _number("ESRGAN_RANKS"):
        return given
    everything = requested_device() in ("auto", "cuda")
    return max(torch.cuda.device_count(), 1) if everything else 1


def nodes_wanted() -> int:
    """How many machines share a training.

    Raises:
        ValueError: if `ESRGAN_NODES` is no number above 0, or they do not know where to meet.
    """
    nodes = _number("ESRGAN_NODES") or 1
    if nodes > 1 and RENDEZVOUS not in os.environ:
        raise ValueError(f"{RENDEZVOUS} must be this machine's host:port, where the others join")
    return nodes


def check_equal_slices(stage: str, batch_size: int, count: int, nodes: int) -> None:
    """Refuse a batch that processes cannot share, before they are started.

    Args:
        stage: whose section it is.
        batch_size: of the stage.
        count: processes of each machine.
        nodes: machines.

    Raises:
        ValueError: if so; names the values.
    """
    if batch_size % (size := count * nodes):
        machines = f" on each of {nodes} machines" if nodes > 1 else ""
        raise ValueError(
            f"{stage}.batch_size is {batch_size}, which {count} processes{machines} cannot share "
            f"evenly; set it to a multiple of {size}, or change ESRGAN_RANKS"
        )


def _number(name: str) -> int:
    """A count that a variable of the environment gives; 0 if it is not set."""
    given = os.environ.get(name, "")
    if given and (not given.isdecimal() or int(given) < 1):
        raise ValueError(f"{name} is {given!r}; it must be a number above 0")
    return int(given or 0)


def run_ranks(stage: str, module: str, count: int, nodes: int = 1) -> None:
    """Run a stage in `count` processes that share a training, here and on each other machine.

    A process that fails is started again with the others, from the last state.

    Args:
        stage: its name, by which the machines find each other.
        module: what `python -m` starts it by.
        count: processes on this machine.
        nodes: machines.

    Raises:
        ChildProcessError: if they failed too often.
        SystemExit: if a signal ended them, after they have saved.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=count,
        run_id=f"esrgan-{os.getpid()}" if nodes == 1 else f"esrgan-{stage}",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0" if nodes == 1 else os.environ[RENDEZVOUS],
        max_restarts=RESTARTS,
        monitor_interval=0.5,
    )
    # as many threads in all as one process would use
    os.environ.setdefault("OMP_NUM_THREADS", str(max(torch.get_num_threads() // count, 1)))
    try:
        elastic_launch(config, sys.executable)("-m", module)
    except SignalException as signal:
        sys.exit(128 + signal.sigval.value)
    except ChildFailedError as error:
        raise ChildProcessError(
            f"{len(error.failures)} of {count} processes failed; what they said stands above"
        ) from error


def agree(name: str, decide: Callable[[], str], world: World) -> str:
    """What the main process decides, in all processes of a training.

    Args:
        name: of what is decided.
        decide: called in the main process alone.
        world: the processes.
    """
    if world.size == 1:
        return decide()
    store, _, _ = _rendezvous()
    if world.is_main:
        store.set(name, decide())
    return str(store.get(name).decode())


def _rendezvous() -> tuple[PrefixStore, int, int]:
    """(store, rank, size) of this attempt at a training.

    The launcher's store outlives processes that failed, and so does what they wrote to it.
    """
    store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"attempt {attempt}", store), rank, size


@contextmanager
def connected(world: World) -> Iterator[None]:
    """Connect the processes of a training: gloo between CPUs, NCCL between GPUs."""
    if world.size == 1:
        yield
        return
    device = device_of_rank()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    own, rank, size = _rendezvous()
    dist.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def set_determinism(*, on: bool) -> None:
    """Choose between algorithms that give equal bits and the fastest; it matters on GPUs alone."""
    if not torch.cuda.is_available():
        return
    if on:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(on)
    # the fastest convolution is found by trying, which may end differently every time
    torch.backends.cudnn.benchmark = not on
