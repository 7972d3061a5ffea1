"""A stage's ties to the world: it dies with its parent, and takes its turn at the device."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from operator import itemgetter
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipelines import PARENT
from pipelines.paths import state_root
from pipelines.status import Status, tell

SECONDS_BETWEEN_LOOKS = 1.0
PATIENT = "ESRGAN_PATIENT"
"""Environment variable that lets a training wait for another one of the same recipe."""
LOCK = "lock"
"""File of a checkpoint folder that its trainer holds."""
SHELLS = frozenset({"sh", "bash", "dash", "zsh"})


def die_with_parent(
    number: signal.Signals = signal.SIGHUP, *, seconds: float | None = None
) -> None:
    """Send this process a signal once the process that started it is gone.

    DVC starts stages through a shell, which may outlive it, so a shell's parent is watched too.

    Args:
        number: the signal.
        seconds: to wait for the process's end before it is ended at once, since one that waits
            for others may never come to heed a signal; None to leave it all the time it needs.
    """
    if os.getppid() != PARENT:
        os.kill(os.getpid(), number)
    if watched := _starters():
        threading.Thread(
            target=_watch, args=(watched, number, seconds), name="guardian", daemon=True
        ).start()


def _starters() -> list[psutil.Process]:
    parents = psutil.Process().parents()
    if not parents:
        return []
    through_shell = parents[0].name() in SHELLS and len(parents) > 1
    return parents[: 2 if through_shell else 1]


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that is over and waits to be reaped does not."""
    with suppress(psutil.NoSuchProcess):
        # is_running compares the start time too, so that a reused pid is not mistaken
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _watch(watched: list[psutil.Process], number: signal.Signals, seconds: float | None) -> None:
    while all(map(is_alive, watched)):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), number)
    if seconds is not None:
        time.sleep(seconds)
        os._exit(128 + number)


@contextmanager
def sole_trainer(folder: Path, devices: Mapping[str, str]) -> Iterator[None]:
    """Be the only one that trains in `folder`, and on `devices`, waiting for the latter.

    Args:
        folder: of the checkpoints.
        devices: names of devices and what tells each from all others.

    For the folder it waits only where `ESRGAN_PATIENT` is set, as a flow does: what another run
    of the same recipe leaves there is then this one's result, too.

    The locks are the kernel's: they end with the process, however it ends.

    Raises:
        ValueError: if another process trains in the folder, and it is not waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as turns:
        turns.enter_context(_turn(folder / LOCK, str(folder), patient=PATIENT in os.environ))
        # in one order, or two trainings could wait for each other
        for device, identity in sorted(devices.items(), key=itemgetter(1)):
            path = state_root() / "locks" / f"{identity}.lock"
            path.parent.mkdir(exist_ok=True)
            turns.enter_context(_turn(path, device, patient=True))
        yield


@contextmanager
def _turn(path: Path, what: str, *, patient: bool) -> Iterator[None]:
    lock, holder = FileLock(path), path.with_suffix(".holder")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        if not patient:
            raise ValueError(f"{who} is training in {what}; wait for it") from error
        waiting = f"waiting for {what}, which {who} trains on"
        print(waiting, flush=True)
        tell(Status(what=waiting))
        lock.acquire()
    try:
        run = f" for the run {name}" if (name := os.environ.get("ESRGAN_RUN")) else ""
        holder.write_text(f"process {os.getpid()} in {Path.cwd()}{run}", encoding="utf-8")
        yield
    finally:
        lock.release()
