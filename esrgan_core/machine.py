"""What the files and variables of this system say about the machine, read without torch.

The import of torch takes a second.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Names of Linux and of torch."""
GPU_FILES = ("dev/nvidiactl", "dev/kfd", "dev/dxg", "dev/nvmap")
"""Devices of the drivers of NVIDIA, AMD, WSL and Tegra."""
THREAD_VARIABLES = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Limits of torch's threads; the first that is set counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What is known without torch, which decides where this does not suffice."""

    flags: frozenset[str] | None
    """The processor's instruction sets by Linux's names; None if unknown."""
    may_have_gpu: bool

    def is_surely_cpu(self, device: str) -> bool:
        """Whether a device, or `auto`, is the CPU; False if that is not known."""
        return device == "cpu" or (device == "auto" and not self.may_have_gpu)

    def is_surely_fp32(self, precision: str) -> bool:
        """Whether a precision, or `auto`, is fp32 on the CPU; False if that is not known."""
        without_bf16 = self.flags is not None and self.flags.isdisjoint(BF16_INSTRUCTIONS)
        return precision == "fp32" or (precision == "auto" and without_bf16)


def find_machine(root: Path = Path("/")) -> Machine:
    """This machine, from the files below `root`."""
    if sys.platform != "linux":
        return Machine(flags=None, may_have_gpu=True)
    has_gpu_files = any((root / name).exists() for name in GPU_FILES)
    return Machine(
        flags=_read_flags(root / "proc" / "cpuinfo"),
        may_have_gpu=has_gpu_files or shutil.which("nvidia-smi") is not None,
    )


def _read_flags(path: Path) -> frozenset[str] | None:
    """Those of the first core; None if the processor is not x86."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            values = (line.partition(":")[2] for line in lines if line.startswith("flags"))
            return frozenset(flags.split()) if (flags := next(values, None)) else None
    except OSError:
        return None


def default_threads(environment: Mapping[str, str] = os.environ) -> int:
    """Threads to compute with, as many as torch has: one for each core, or fewer if limited."""
    import psutil  # noqa: PLC0415  training does not need it

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = min(psutil.cpu_count(logical=False) or usable or 1, usable or 1)
    limits = [value for name in THREAD_VARIABLES if (value := environment.get(name))]
    limit = limits[0].partition(",")[0] if limits else ""
    return min(cores, int(limit)) if limit.isdigit() and int(limit) else cores
