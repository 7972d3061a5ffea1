"""Contenders in processes of their own: none profits from another's settings, peaks are its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Work = Callable[[], object]
CUDA = torch.cuda.is_available()


class Contender:
    """A process that does its work once whenever it is told to."""

    def __init__(
        self,
        module: str,
        name: str,
        *,
        checkout: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start `python -m module --method name`, which calls `compete`.

        Args:
            module: of this package.
            name: of the method.
            checkout: another build, with its .venv: this module with that build's library.
            settings: variables of the environment to add.
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
        self._answer()  # that it is ready

    def _answer(self) -> str:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise ChildProcessError("a method failed; what it said stands above")
        return line

    def __call__(self) -> None:
        """Do it once."""
        assert self.process.stdin is not None
        self.process.stdin.write("once\n")
        self.process.stdin.flush()
        self._answer()

    def end(self) -> float:
        """GiB that it needed at its peak."""
        peak, _ = self.process.communicate("end\n", timeout=60)
        return float(peak)


def compete(make: Callable[[], Work]) -> None:
    """Work once for each line on standard input, then say the peak of memory."""
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
    """GiB that this process has held at its peak."""
    # not getrusage's, which a process inherits from the one that started it
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
