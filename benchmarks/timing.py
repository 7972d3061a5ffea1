"""Comparison of methods, and the options and the output of all benchmarks."""

import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Annotated, Any

import torch
import typer

Work = Callable[[], object]
Rounds = Annotated[int, typer.Option(help="rounds that are timed")]
AsJson = Annotated[bool, typer.Option("--json", help="print results as JSON")]


def machine() -> str:
    """The GPU if there is one, the processor, the threads in use, and torch's version."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  no path of ours
            names = [line.partition(": ")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    name = names[0] if names else platform.processor() or platform.machine()
    if torch.cuda.is_available():
        name = f"{torch.cuda.get_device_name()}, {name}"
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def compare(
    title: str, methods: Mapping[str, Work], *, rounds: int, silent: bool = False
) -> dict[str, float]:
    """Print and return the median seconds of each method, with the ratio to the first, the peer.

    A round runs every method once, so that other load affects all methods equally; one more round
    warms up.
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


def print_results(results: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the results by title, or as JSON for a file in `benchmarks/results/`."""
    if as_json:
        print(json.dumps(results, indent=2))
        return
    for title, values in results.items():
        print(title, values)
