"""Locks of a training: one process per checkpoint folder, one training per device."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from operator import itemgetter
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.config.errors import UserError
from pipelines.runtime.progress import Status, write_status
from pipelines.runtime.run_record import RUN
from pipelines.runtime.state import state_root

WAIT_FOR_LOCK = "ESRGAN_WAIT_FOR_LOCK"
"""Environment variable: wait for a training of the same recipe, whose result is then used."""
LOCK = "lock"
"""Name of the lock file in a checkpoint folder."""


@contextmanager
def training_locks(folder: Path, devices: Mapping[str, str]) -> Iterator[None]:
    """Hold the locks of a checkpoint folder and of devices; wait for the devices.

    The kernel releases them however the process ends. `devices` are unique identifiers by name. A
    UserError if another process trains in the folder and `ESRGAN_WAIT_FOR_LOCK` is not set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        locks.enter_context(_acquire(folder / LOCK, str(folder), wait=WAIT_FOR_LOCK in os.environ))
        # sorted, so that two trainings cannot wait for each other
        for device, identifier in sorted(devices.items(), key=itemgetter(1)):
            path = state_root() / "locks" / f"{identifier}.lock"
            path.parent.mkdir(exist_ok=True)
            locks.enter_context(_acquire(path, device, wait=True))
        yield


@contextmanager
def _acquire(path: Path, resource: str, *, wait: bool) -> Iterator[None]:
    lock, holder_file = FileLock(path), path.with_suffix(".holder")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = holder_file.read_text("utf-8") if holder_file.exists() else "another process"
        if not wait:
            raise UserError(f"{holder} is training in {resource}; wait until it ends") from error
        message = f"waiting for {resource}, which is used by {holder}"
        print(message, flush=True)
        write_status(Status(what=message))
        lock.acquire()
    try:
        run = f" for the run {name}" if (name := os.environ.get(RUN)) else ""
        holder_file.write_text(f"process {os.getpid()} in {Path.cwd()}{run}", encoding="utf-8")
        yield
    finally:
        lock.release()
