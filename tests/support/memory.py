"""What a process has needed."""

from pathlib import Path


def peak_kib() -> int:
    """Most memory that this program had at once, in KiB.

    `ru_maxrss` would count what the process had before it became this program, too: all of a large
    test run that started it.
    """
    words = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = [line for line in words.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])
