"""Memory and disk space of this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil
from rich.filesize import decimal

from esrgan_core.memory import free_memory
from pipelines.ops.doctor.finding import Finding
from pipelines.runtime.state import state_root_path

MIN_MEMORY = 2 * 2**30
MIN_DISK = 5 * 2**30


def check_memory() -> Iterator[Finding]:
    """Check the free memory."""
    free, total = free_memory(), psutil.virtual_memory().total
    message = f"{decimal(free)} free of {decimal(total)}"
    if free < MIN_MEMORY:
        yield Finding("error", "memory", message, f"free at least {decimal(MIN_MEMORY)}")
    else:
        yield Finding("ok", "memory", message)


def check_disks() -> Iterator[Finding]:
    """Check that the state root can be written and that disks have space."""
    root = state_root_path()
    existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
    try:
        with NamedTemporaryFile(dir=existing):
            pass
    except OSError as error:
        message = f"{root} cannot be written: {error}"
        remedy = "change its permissions, or set ESRGAN_STATE to another folder"
        yield Finding("error", "state root", message, remedy)
    else:
        yield Finding("ok", "state root", str(root))
    folders = {"disk of the state root": existing, "disk of the project": Path.cwd()}
    for subject, folder in folders.items():
        free = shutil.disk_usage(folder).free
        message = f"{decimal(free)} free in {folder}"
        if free < MIN_DISK:
            remedy = "esrgan prune --caches, dvc gc, or ESRGAN_STATE on another disk"
            yield Finding("error", subject, message, remedy)
        else:
            yield Finding("ok", subject, message)
