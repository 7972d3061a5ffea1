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
    as well.

    Args:
        number: the signal.
        seconds: time to exit after the signal; then the process is killed, since one that waits
            for other processes may never handle the signal. None for no limit.
    """
    if os.getppid() != PARENT:
        os.kill(os.getpid(), number)
    if watched := _find_starters():
        threading.Thread(
            target=_watch, args=(watched, number, seconds), name="parent watch", daemon=True
        ).start()


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        # is_running also compares the start time, so a reused pid is not mistaken
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _find_starters() -> list[psutil.Process]:
    parents = psutil.Process().parents()
    if not parents:
        return []
    through_shell = parents[0].name() in SHELLS and len(parents) > 1
    return parents[: 2 if through_shell else 1]


def _watch(watched: list[psutil.Process], number: signal.Signals, seconds: float | None) -> None:
    while all(map(is_alive, watched)):
        time.sleep(SECONDS_BETWEEN_CHECKS)
    os.kill(os.getpid(), number)
    if seconds is not None:
        time.sleep(seconds)
        os._exit(128 + number)
