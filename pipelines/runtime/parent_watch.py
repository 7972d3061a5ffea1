"""Ends a process when the process that started it has ended."""

import os
import signal
import time
from contextlib import suppress
from threading import Thread

import psutil

from pipelines import PARENT

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that ask a process to end."""
SECONDS_BETWEEN_CHECKS = 1.0
SHELLS = frozenset({"sh", "bash", "dash", "zsh"})


def die_with_parent(number: int = signal.SIGHUP, *, seconds: float | None = None) -> None:
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
        Thread(target=_watch, args=(parents, number, seconds), daemon=True).start()


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        # is_running also compares the start time, so a reused pid is not mistaken
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _watch(watched: list[psutil.Process], number: int, seconds: float | None) -> None:
    while all(map(is_alive, watched)):
        time.sleep(SECONDS_BETWEEN_CHECKS)
    os.kill(os.getpid(), number)
    if seconds is not None:
        time.sleep(seconds)
        os._exit(128 + number)
