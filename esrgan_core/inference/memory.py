"""How much memory there is to use."""

from pathlib import Path

import psutil

KEPT_FREE = 0.2
"""Share of what is free that is left to other programs."""
CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that may be used now: of the machine's, and of a container's where it has fewer."""
    free = psutil.virtual_memory().available
    try:
        most = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        most, used = "max", 0
    if most != "max":
        free = min(free, max(int(most) - used, 0))
    return int(free * (1 - KEPT_FREE))
