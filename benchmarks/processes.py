"""Methods in separate processes, with separate settings and peaks of memory."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.limits import CUDA
from benchmarks.timing import Work


class MethodProcess:
    """A process that runs a method once per call."""

    def __init__(
        self,
        module: str,
        name: str,
        *,
        checkout: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start `python -m module --method name`, which calls `serve`.

        With a checkout of another build, its own module runs in its .venv. The settings are
        environment variables.
        """
        command = [sys.executable, "-m", module, "--method", name]
        environment = {**os.environ, **(settings or {})}
        if checkout is not None:
            checkout = checkout.absolute()
            python = str(checkout / ".venv" / "bin" / "python")
            command = [python, "-m", module, _option(checkout), name]
            environment["PYTHONPATH"] = str(checkout)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=checkout,
        )
        self._wait()  # until it is ready

    def _wait(self) -> None:
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise ChildProcessError("a method failed; its error is above")

    def __call__(self) -> None:
        """Do it once."""
        assert self.process.stdin is not None
        self.process.stdin.write("once\n")
        self.process.stdin.flush()
        self._wait()

    def end(self) -> float:
        """End the process; its peak memory in GiB."""
        peak, _ = self.process.communicate("end\n", timeout=60)
        return float(peak)


def _option(checkout: Path) -> str:
    """The option for the name of a method, which has another name in earlier builds."""
    source = (checkout / "benchmarks" / "processes.py").read_text(encoding="utf-8")
    found = re.search(r'module, "(--\w+)", name', source)
    if found is None:
        raise ValueError(f"{checkout} has no benchmarks that can be compared")
    return found[1]


def serve(make: Callable[[], Work]) -> None:
    """Work once per line on standard input, then print the peak memory."""
    work = make()
    before = peak_memory()
    print("ready", flush=True)
    while sys.stdin.readline() == "once\n":
        work()
        if CUDA:
            torch.cuda.synchronize()
        print("done", flush=True)
    print(torch.cuda.max_memory_allocated() / 2**30 if CUDA else peak_memory() - before)


def peak_memory() -> float:
    """Peak memory of this process in GiB."""
    # not getrusage's, which a process inherits from its parent
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
