"""What room this machine has."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil
from rich.filesize import decimal

from esrgan_core.memory import free_memory
from pipelines.ops.doctor.finding import Finding, fault, well
from pipelines.runtime.state import state_root_path

LEAST_MEMORY = 2 * 2**30
LEAST_DISK = 5 * 2**30


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
    root = state_root_path()
    # where there is none yet, it is made in the nearest folder that there is
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    try:
        with NamedTemporaryFile(dir=there):
            pass
    except OSError as error:
        yield fault(
            "state root",
            f"{root} cannot be written: {error}",
            "mend its rights, or set ESRGAN_STATE",
        )
    else:
        yield well("state root", str(root))
    for what, folder in {
        "disk of the state root": there,
        "disk of the project": Path.cwd(),
    }.items():
        free = shutil.disk_usage(folder).free
        words = f"{decimal(free)} free below {folder}"
        if free < LEAST_DISK:
            yield fault(
                what, words, "esrgan prune --caches, dvc gc, or ESRGAN_STATE on another disk"
            )
        else:
            yield well(what, words)
