"""Benchmarked methods in separate processes, with separate settings and memory peaks."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Work = Callable[[], object]
CUDA = torch.cuda.is_available()


class MethodProcess:
    """A process that runs one method once per call."""

    def __init__(
        self,
        module: str,
        name: str,
        *,
        checkout: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start `python -m module --method name`, which calls `serve`.

        Args:
            module: a module of this package.
            name: the method.
            checkout: another build with its .venv; its library is used.
            settings: environment variables to add.
        """
        command = [sys.executable, "-m", module, "--method", name]
        environment = {**os.environ, **(settings or {})}
        if checkout is not None:
            script = Path(__file__).parent / f"{module.rpartition('.')[2]}.py"
            python = checkout.absolute() / ".venv" / "bin" / "python"
            command = [str(python), str(script), "--method", name]
            environment["PYTHONPATH"] = str(checkout.absolute())
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._answer()  # waits until it is ready

    def _answer(self) -> str:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise ChildProcessError("a method failed; its output is above")
        return line

    def __call__(self) -> None:
        """Run the method once."""
        assert self.process.stdin is not None
        self.process.stdin.write("once\n")
        self.process.stdin.flush()
        self._answer()

    def end(self) -> float:
        """End the process; return its peak of memory in GiB."""
        peak, _ = self.process.communicate("end\n", timeout=60)
        return float(peak)


def serve(make: Callable[[], Work]) -> None:
    """Run the method once per line of standard input, then print the peak of memory in GiB."""
    work = make()
    before = most_memory()
    print("ready", flush=True)
    while sys.stdin.readline() == "once\n":
        work()
        if CUDA:
            torch.cuda.synchronize()
        print("done", flush=True)
    print(torch.cuda.max_memory_allocated() / 2**30 if CUDA else most_memory() - before)


def most_memory() -> float:
    """Peak of memory of this process in GiB."""
    # a process inherits the peak that getrusage returns from its parent
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
