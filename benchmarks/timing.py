"""Side by side: the methods take turns, the median of each counts."""

import platform
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

Contenders = Mapping[str, Callable[[], object]]


def machine() -> str:
    """The GPU if there is one, the processor, its threads in use, and torch's version."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  no path of ours
            names = [line.partition(": ")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    name = names[0] if names else platform.processor() or platform.machine()
    if torch.cuda.is_available():
        name = f"{torch.cuda.get_device_name()}, {name}"
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def side_by_side(
    title: str, methods: Contenders, *, rounds: int, silent: bool = False
) -> dict[str, float]:
    """Seconds of each method, printed with its ratio to the first, which is the peer.

    One round runs every method once, so that a busy moment of the machine hits all alike;
    a round before the first warms up and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(rounds + 1):
        for name, work in methods.items():
            start = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: median(found) for name, found in seconds.items()}
    if silent:
        return medians
    peer = next(iter(medians.values()))
    print(f"\n{title}", file=sys.stderr)
    for name, found in medians.items():
        print(f"  {name:<32} {1000 * found:10.1f} ms   {peer / found:6.2f}x", file=sys.stderr)
    return medians
