"""A stage's ties to the world: it dies with its parent, and takes its turn at the device."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipelines.paths import state_root

SECONDS_BETWEEN_LOOKS = 1.0
LOCK = "lock"
"""File of a checkpoint folder that its trainer holds."""
SHELLS = frozenset({"sh", "bash", "dash", "zsh"})


def die_with_parent(*, seconds: float | None = None) -> None:
    """Send this process SIGHUP once the process that started it is gone.

    DVC starts stages through a shell, which may outlive it, so a shell's parent is watched too.

    Args:
        seconds: to wait for the process's end before it is ended at once, since one that waits
            for others may never come to heed a signal; None to leave it all the time it needs.
    """
    if watched := _starters():
        threading.Thread(
            target=_watch, args=(watched, seconds), name="guardian", daemon=True
        ).start()


def _starters() -> list[psutil.Process]:
    parents = psutil.Process().parents()
    if not parents:
        return []
    through_shell = parents[0].name() in SHELLS and len(parents) > 1
    return parents[: 2 if through_shell else 1]


def _watch(watched: list[psutil.Process], seconds: float | None) -> None:
    # is_running compares the start time too, so that a reused pid is not mistaken
    while all(process.is_running() for process in watched):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGHUP)
    if seconds is not None:
        time.sleep(seconds)
        os._exit(128 + signal.SIGHUP)


@contextmanager
def sole_trainer(folder: Path, devices: Sequence[str]) -> Iterator[None]:
    """Be the only one that trains in `folder`, and on `devices`, waiting for the latter.

    The locks are the kernel's: they end with the process, however it ends.

    Raises:
        ValueError: if another process trains in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = FileLock(folder / LOCK)
    try:
        own.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(f"another process is training in {folder}; wait for it") from error
    with own, ExitStack() as turns:
        for device in devices:
            turns.enter_context(_turn(device))
        yield


@contextmanager
def _turn(device: str) -> Iterator[None]:
    path = state_root() / "locks" / f"{device.replace(':', '')}.lock"
    path.parent.mkdir(exist_ok=True)
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        print(f"waiting for {device}, which {who} trains on", flush=True)
        lock.acquire()
    with lock:
        holder.write_text(f"process {os.getpid()} in {Path.cwd()}", encoding="utf-8")
        yield
