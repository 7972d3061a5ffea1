"""How much memory there is, and how the C library's allocator treats what is freed."""

import ctypes
import platform
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt (malloc.h)."""
KEPT_FREE = 0.2
"""Share of what is free that is left to other programs."""
CGROUP = Path("/sys/fs/cgroup")


def keep_freed_memory() -> bool:
    """Keep memory that is freed, for the next layer or step, instead of giving it back at once.

    Large tensors otherwise come as fresh pages that the system must clear, each time anew: on two
    cores a step of RRDBNet in float32 takes a fifth longer, and upscaling twice as long. It holds
    for the whole process and changes no result.

    Returns:
        Whether it was done: only glibc, the C library of most Linux systems, can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    never = -1
    return bool(library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, never))


def use_default_allocator() -> bool:
    """Let the allocator do as it does by itself again, after `keep_freed_memory`.

    For work near the memory's end: what is kept lies in pieces, and half as much again is needed.

    Returns:
        Whether it was done: only glibc can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    mapped, trimmed = 65536, 128 * 1024  # glibc's defaults
    done = library.mallopt(M_MMAP_MAX, mapped) and library.mallopt(M_TRIM_THRESHOLD, trimmed)
    return bool(done)


def release_freed_memory() -> bool:
    """Give back to the system what has been kept.

    Returns:
        Whether there was something to give back, and a C library that can.
    """
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).malloc_trim(0))


def free_memory() -> int:
    """Bytes that may be used now: of the machine's, and of a container's where it has fewer."""
    import psutil  # noqa: PLC0415  a training does without

    free = psutil.virtual_memory().available
    try:
        most = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        most, used = "max", 0
    if most != "max":
        free = min(free, max(int(most) - used, 0))
    return int(free * (1 - KEPT_FREE))
