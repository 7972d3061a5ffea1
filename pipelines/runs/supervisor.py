"""Runs a command so that no process of it outlives whoever asked for it.

`python -m pipelines.runs.supervisor COMMAND...` passes on what the command prints and exits with
its exit code, or 128 + n for signal n. A signal, or the end of the process that started it, ends
the command and all its descendants: first with SIGTERM, so that a training saves, then with
SIGKILL. Afterwards no MLflow run of the pipeline run is RUNNING.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import FrameType
from typing import IO

import psutil
from filelock import FileLock

from pipelines.runtime.parent_watch import die_with_parent, is_alive
from pipelines.runtime.run_record import RUN
from pipelines.tracking.open_runs import close_runs

SECONDS_TO_SAVE = 20.0
"""Between SIGTERM and SIGKILL; Prefect leaves a flow 30."""
SECONDS_TO_LINGER = 5.0
"""That helpers of a command which is over may take to notice it."""
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_BETWEEN_CALLS = 2.0
"""Of `on_look`."""
STARTER = "ESRGAN_STARTER"
"""Environment variable with the process that a supervisor is to outlive by seconds only."""
HELD = "ESRGAN_HELD"
"""Environment variable with a lock that a supervisor holds until all is over."""
SET_SUBREAPER = 36
"""Of Linux's prctl."""
TIED_TO_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes a command that the kernel ends with its parent, unless that has ended before. It runs in
the new process, where no lock of another thread can be held."""


def follow(
    command: list[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    on_line: Callable[[str], None],
    on_look: Callable[[], None],
) -> int:
    """Run a command under a supervisor; its exit code.

    Whatever ends this function ends the command, too.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        env: its environment.
        on_line: takes every line that it prints.
        on_look: called now and then.
    """
    process = subprocess.Popen(
        # -P: this code's own supervisor, also where the folder has another commit's
        [sys.executable, "-P", "-m", "pipelines.runs.supervisor", *command],
        cwd=folder,
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
    looked = 0.0
    try:
        while True:
            with suppress(Empty):
                if (line := lines.get(timeout=SECONDS_BETWEEN_CALLS)) is None:
                    return process.wait()
                on_line(line)
            if time.monotonic() - looked > SECONDS_BETWEEN_CALLS:
                looked = time.monotonic()
                on_look()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


class Ending:
    """The first wish for an end that came."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.wish)

    def wish(self, number: int, frame: FrameType | None) -> None:
        """Note a signal."""
        del frame
        self.number = self.number or number


def run(command: list[str], seconds_to_save: float = SECONDS_TO_SAVE) -> int:
    """Run `command` to its end or to the end that is wished for; its exit code.

    Args:
        command: the program and its arguments.
        seconds_to_save: between SIGTERM and SIGKILL.
    """
    ending = Ending()
    # what loses its parent becomes this process's child, in whatever group it is
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_SUBREAPER, 1)
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
    while process.poll() is None and not ending.number:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if ending.number:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    _end_descendants(seconds_to_save if ending.number or process.poll() else SECONDS_TO_LINGER)
    code = process.wait()
    relay.join(timeout=SECONDS_TO_LINGER)
    return 128 + ending.number if ending.number else 128 - code if code < 0 else code


def _end_descendants(seconds: float) -> None:
    """Wait for the end of all that came of the command, and kill what is left after `seconds`.

    What has lost its parent is asked at once to end: nobody else will.
    """
    me, asked = psutil.Process(), set()
    end = time.monotonic() + seconds
    while alive := [one for one in me.children(recursive=True) if is_alive(one)]:
        late = time.monotonic() > end
        for one in alive:
            with suppress(psutil.NoSuchProcess):
                if late:
                    one.kill()
                elif one.ppid() == me.pid and one not in asked:
                    asked.add(one)
                    one.terminate()
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _relay(source: IO[bytes]) -> None:
    """Pass on what the command prints; where nobody listens any more, it must not notice."""
    target = sys.stdout.buffer
    listened = True
    for line in source:
        if listened:
            try:
                target.write(line)
                target.flush()
            except OSError:
                listened = False  # and the rest is read all the same


def close(name: str, code: int) -> None:
    """Let no MLflow run of a pipeline run say RUNNING after a command of it that failed."""
    if code and name:
        close_runs(name, "KILLED" if code > 128 else "FAILED")


def main() -> None:
    """Run the command of the command line, unless whoever asked for it is gone already."""
    starter, held = os.environ.pop(STARTER, ""), os.environ.pop(HELD, "")
    with FileLock(held) if held else nullcontext():
        wanted = starter in ("", str(os.getppid()))
        code = run(sys.argv[1:]) if wanted else 128 + signal.SIGHUP
        close(os.environ.get(RUN, ""), code)
    # the standard output may be closed, and must not be flushed on the way out
    os._exit(code)


if __name__ == "__main__":
    main()
