"""Starts the processes of a training, on one machine or several.

`ESRGAN_RANKS` sets the number of processes; by default there is one per GPU. For several machines
with one state root and one workspace, one machine runs the stage with `ESRGAN_NODES` and
`ESRGAN_RENDEZVOUS` (host:port) set, and the others join with torchrun; see deploy/multinode.sh.
"""

import os
import sys

import torch

from pipelines.config.errors import UserError
from pipelines.runtime.state import requested_device

RENDEZVOUS = "ESRGAN_RENDEZVOUS"
MAX_RESTARTS = 3


def requested_processes(stage: str, batch_size: int) -> tuple[int, int]:
    """(processes per machine, machines); a UserError if they cannot share a batch evenly."""
    gpus = torch.cuda.device_count() if requested_device() in ("auto", "cuda") else 0
    ranks, nodes = _number("ESRGAN_RANKS") or max(gpus, 1), _number("ESRGAN_NODES") or 1
    if nodes > 1 and RENDEZVOUS not in os.environ:
        raise UserError(f"set {RENDEZVOUS} to this machine's host:port, where the others join")
    if batch_size % (size := ranks * nodes):
        machines = f" on each of {nodes} machines" if nodes > 1 else ""
        raise UserError(
            f"{stage}.batch_size is {batch_size}, which {ranks} processes{machines} cannot share "
            f"evenly; set it to a multiple of {size}, or change ESRGAN_RANKS"
        )
    return ranks, nodes


def _number(name: str) -> int:
    given = os.environ.get(name, "")
    if given and (not given.isdecimal() or int(given) < 1):
        raise UserError(f"{name} is {given!r}; it must be a number above 0")
    return int(given or 0)


def run_ranks(stage: str, ranks: int, nodes: int) -> None:
    """Run the command of this process in `ranks` processes on each machine.

    If one fails, all start again and continue from the last checkpoint.

    Raises:
        ChildProcessError: if they failed more than `MAX_RESTARTS` times.
        SystemExit: if a signal stopped them, after they have saved.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=ranks,
        run_id=f"esrgan-{os.getpid()}" if nodes == 1 else f"esrgan-{stage}",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0" if nodes == 1 else os.environ[RENDEZVOUS],
        max_restarts=MAX_RESTARTS,
        monitor_interval=0.5,
    )
    # as many threads in total as a single process would use
    os.environ.setdefault("OMP_NUM_THREADS", str(max(torch.get_num_threads() // ranks, 1)))
    try:
        elastic_launch(config, sys.executable)(*sys.orig_argv[1:])
    except SignalException as signal:
        sys.exit(128 + signal.sigval.value)
    except ChildFailedError as error:
        raise ChildProcessError(
            f"{len(error.failures)} of {ranks} processes failed; see their messages above"
        ) from error
