"""What this machine has."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil
from rich.filesize import decimal

from esrgan_core.inference.devices import computes_in_bf16, device_of
from esrgan_core.memory import free_memory
from pipelines.doctor.finding import Finding, fault, remark, well
from pipelines.paths import state_root

LEAST_MEMORY = 2 * 2**30
LEAST_DISK = 5 * 2**30


def devices() -> Iterator[Finding]:
    """Which device computes, and by how many threads."""
    import torch  # noqa: PLC0415  takes a second

    wanted = os.environ.get("ESRGAN_DEVICE", "auto")
    try:
        device = device_of(wanted)
    except ValueError as error:
        yield fault("device", f"ESRGAN_DEVICE: {error}", "unset ESRGAN_DEVICE, or set it to cpu")
        return
    driver = shutil.which("nvidia-smi")
    if driver and not torch.cuda.is_available():
        yield remark(
            "device",
            f"there is a driver of NVIDIA's, but torch {torch.__version__} cannot use it",
            "install a CUDA build of torch of the version in requirements.lock",
        )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    bf16 = "bf16 is fast" if computes_in_bf16(device) else "bf16 is not faster than fp32"
    yield well("device", f"{device}: {name}, {bf16}")
    cores = os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    if threads > cores or ("OMP_NUM_THREADS" in os.environ and threads < cores):
        yield remark(
            "threads", f"{threads} for {cores} cores", "unset OMP_NUM_THREADS and MKL_NUM_THREADS"
        )
    else:
        yield well("threads", f"{threads} for {cores} cores")


def memory() -> Iterator[Finding]:
    """How much memory is free."""
    free, total = free_memory(), psutil.virtual_memory().total
    words = f"{decimal(free)} free of {decimal(total)}"
    if free < LEAST_MEMORY:
        yield fault("memory", words, f"end other programs; {decimal(LEAST_MEMORY)} are little")
    else:
        yield well("memory", words)


def disks() -> Iterator[Finding]:
    """Whether the state root can be written, and how much room there is."""
    root = state_root()
    try:
        with NamedTemporaryFile(dir=root):
            pass
    except OSError as error:
        yield fault(
            "state root",
            f"{root} cannot be written: {error}",
            "mend its rights, or set ESRGAN_STATE",
        )
    else:
        yield well("state root", str(root))
    for what, folder in {"disk of the state root": root, "disk of the project": Path.cwd()}.items():
        free = shutil.disk_usage(folder).free
        words = f"{decimal(free)} free below {folder}"
        if free < LEAST_DISK:
            yield fault(
                what, words, "esrgan prune --caches, dvc gc, or ESRGAN_STATE on another disk"
            )
        else:
            yield well(what, words)
