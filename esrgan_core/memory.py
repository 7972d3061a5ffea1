"""Free memory, and how the C library's allocator treats freed memory."""

import ctypes
import platform
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt (malloc.h)."""
RESERVE = 0.2
"""Fraction of the free memory to leave for other programs."""
CGROUP = Path("/sys/fs/cgroup")


def keep_freed_memory() -> bool:
    """Keep freed memory for the next layer or step instead of returning it to the system.

    Large tensors otherwise get fresh pages, which the system must clear each time: on two cores a
    step of RRDBNet in float32 takes a fifth longer, and upscaling twice as long. Applies to the
    whole process and changes no result.

    Returns:
        Whether it was done: only glibc, the C library of most Linux systems, can.
    """
    return _set_allocator(max_mapped=0, trim_threshold=-1)


def use_default_allocator() -> bool:
    """Undo `keep_freed_memory`.

    For work that needs most of the memory: kept memory is fragmented, so half as much again is
    needed.

    Returns:
        Whether it was done: only glibc can.
    """
    return _set_allocator(max_mapped=65536, trim_threshold=128 * 1024)


def _set_allocator(*, max_mapped: int, trim_threshold: int) -> bool:
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    done = library.mallopt(M_MMAP_MAX, max_mapped)
    return bool(done and library.mallopt(M_TRIM_THRESHOLD, trim_threshold))


def release_freed_memory() -> bool:
    """Return kept memory to the system; whether there was any, and a C library that can."""
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).malloc_trim(0))


def free_memory() -> int:
    """Bytes that may be used now: of the machine, or of the container if it has fewer."""
    import psutil  # noqa: PLC0415  training does not need it

    free = psutil.virtual_memory().available
    try:
        limit = int((CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        free = min(free, max(limit - used, 0))
    except (OSError, ValueError):
        pass  # no container, or "max": no limit
    return int(free * (1 - RESERVE))
