"""Runs a command so that none of its processes outlives the process that asked for it.

`python -m pipelines.runs.supervisor COMMAND...` relays the command's output and exits with its exit
code, or 128 + n for signal n. A termination signal, or the end of the parent process, ends the
command and all its descendants: SIGTERM first, so that a training saves, then SIGKILL. Afterwards
no MLflow run of the pipeline run is RUNNING.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from queue import Empty, Queue
from threading import Thread
from typing import IO

import psutil
from filelock import FileLock

from pipelines.runtime.parent_watch import SIGNALS, die_with_parent, is_alive
from pipelines.runtime.run_record import RUN
from pipelines.tracking.open_runs import close_runs

SECONDS_TO_SAVE = 20.0
"""Between SIGTERM and SIGKILL; Prefect waits 30 for a flow."""
SECONDS_TO_LINGER = 5.0
"""Time that helper processes of a finished command may take to exit."""
SECONDS_BETWEEN_CHECKS = 0.1
SECONDS_BETWEEN_TICKS = 2.0
STARTER = "ESRGAN_STARTER"
"""Environment variable with the process id of a supervisor's parent."""
HELD = "ESRGAN_HELD"
"""Environment variable with the path of a lock that a supervisor holds until all has ended."""
TIED_TO_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Executes a command to which the kernel sends SIGTERM when the supervisor ends, even by SIGKILL.

DVC does not watch its parent as the stages do. A `preexec_fn` might deadlock on another thread's
lock.
"""


def follow(
    command: list[str],
    env: Mapping[str, str],
    *,
    on_line: Callable[[str], None],
    on_tick: Callable[[], None],
) -> int:
    """Run a command under a supervisor; returns its exit code.

    `on_line` receives every line of output; `on_tick` is called every few seconds. An exception
    ends the command.
    """
    process = subprocess.Popen(
        # -P: the current folder may have the code of another commit
        [sys.executable, "-P", "-m", "pipelines.runs.supervisor", *command],
        env={**env, STARTER: str(os.getpid())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines: Queue[str | None] = Queue()

    def read() -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                lines.put(line.rstrip())
        lines.put(None)

    Thread(target=read, daemon=True).start()
    last_tick = 0.0
    try:
        while True:
            with suppress(Empty):
                if (line := lines.get(timeout=SECONDS_BETWEEN_TICKS)) is None:
                    return process.wait()
                on_line(line)
            if time.monotonic() - last_tick > SECONDS_BETWEEN_TICKS:
                last_tick = time.monotonic()
                on_tick()
    finally:
        process.terminate()  # unless it has ended
        process.wait()


def supervise(command: list[str], seconds_to_save: float = SECONDS_TO_SAVE) -> int:
    """Run a command until it ends or a termination signal arrives; returns its exit code."""
    received: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda number, _: received.append(number))
    if sys.platform == "linux":
        # orphans of the command become children of this process, whatever their group
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    die_with_parent()
    process = subprocess.Popen(
        [sys.executable, "-c", TIED_TO_PARENT, str(os.getpid()), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout
    relay = Thread(target=_relay, args=(process.stdout,), daemon=True)
    relay.start()
    while process.poll() is None and not received:
        time.sleep(SECONDS_BETWEEN_CHECKS)
    if received:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    _end_descendants(seconds_to_save if received or process.poll() else SECONDS_TO_LINGER)
    code = process.wait()
    relay.join(timeout=SECONDS_TO_LINGER)
    return 128 + received[0] if received else 128 - code if code < 0 else code


def _end_descendants(seconds: float) -> None:
    """Wait until all descendants have exited; terminate orphans at once, kill all at the end."""
    me, terminated = psutil.Process(), set()
    end = time.monotonic() + seconds
    while alive := [one for one in me.children(recursive=True) if is_alive(one)]:
        is_late = time.monotonic() > end
        for one in alive:
            with suppress(psutil.NoSuchProcess):
                if is_late:
                    one.kill()
                elif one.ppid() == me.pid and one not in terminated:
                    terminated.add(one)
                    one.terminate()
        time.sleep(SECONDS_BETWEEN_CHECKS)


def _relay(source: IO[bytes]) -> None:
    """Copy the command's output; if this process's output is closed, only read it."""
    for line in source:
        with suppress(OSError):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def close_failed_runs(run: str, code: int) -> None:
    """End the open MLflow runs of a pipeline run whose command failed."""
    if code and run:
        close_runs(run, "KILLED" if code > 128 else "FAILED")


def main() -> None:
    """Run the command of the command line, unless the parent has already ended."""
    starter, lock = os.environ.pop(STARTER, ""), os.environ.pop(HELD, "")
    with FileLock(lock) if lock else nullcontext():
        has_parent = starter in ("", str(os.getppid()))
        code = supervise(sys.argv[1:]) if has_parent else 128 + signal.SIGHUP
        close_failed_runs(os.environ.get(RUN, ""), code)
    # not sys.exit: it would flush the standard output, which may be closed
    os._exit(code)


if __name__ == "__main__":
    main()
