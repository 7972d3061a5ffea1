"""Ends a process when the process that started it has ended."""

import os
import signal
import threading
import time
from contextlib import suppress

import psutil

from pipelines import PARENT

SECONDS_BETWEEN_CHECKS = 1.0
SHELLS = frozenset({"sh", "bash", "dash", "zsh"})


def die_with_parent(
    number: signal.Signals = signal.SIGHUP, *, seconds: float | None = None
) -> None:
    """Send this process a signal when the process that started it has ended.

    DVC starts stages through a shell, which may outlive DVC, so the parent of a shell is watched
    as well. A process that waits for others may never handle the signal, so it is killed after
    `seconds`.
    """
    if os.getppid() != PARENT:
        os.kill(os.getpid(), number)
    parents = psutil.Process().parents()[:2]
    if parents and parents[0].name() not in SHELLS:
        del parents[1:]
    if parents:
        args = parents, number, seconds
        threading.Thread(target=_watch, args=args, name="parent watch", daemon=True).start()


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        # is_running also compares the start time, so a reused pid is not mistaken
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _watch(watched: list[psutil.Process], number: signal.Signals, seconds: float | None) -> None:
    while all(map(is_alive, watched)):
        time.sleep(SECONDS_BETWEEN_CHECKS)
    os.kill(os.getpid(), number)
    if seconds is not None:
        time.sleep(seconds)
        os._exit(128 + number)
