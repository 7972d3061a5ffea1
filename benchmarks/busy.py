"""Training with several settings of threads, on an idle and on a busy machine.

A parallel region ends with its last thread. If another program uses that thread's core, the other
threads wait, by default by spinning, which delays that program further.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Annotated

import torch
import typer

from benchmarks.limits import DEVICE
from benchmarks.processes import MethodProcess, serve
from benchmarks.recipes import RECIPES
from benchmarks.timing import AsJson, Rounds, machine, print_results
from benchmarks.train import ours
from esrgan_core.devices import resolve_precision
from esrgan_core.engine.execution import Execution

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "all threads": {"GOMP_SPINCOUNT": "300000"},
    "all threads, 10,000 spins": {"GOMP_SPINCOUNT": "10000"},
    "all threads, 3,000 spins": {"GOMP_SPINCOUNT": "3000"},
    "all threads, 2,000 spins": {"GOMP_SPINCOUNT": "2000"},
    "all threads, 1,000 spins": {"GOMP_SPINCOUNT": "1000"},
    "all threads, no spins": {"GOMP_SPINCOUNT": "0"},
    "all threads, passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
BUSY = (0, 1, 3)
"""Numbers of other programs."""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` processes computing."""
    code = "while True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def work() -> None:
    """Run stage 1 of the sample, in the precision of a training."""
    recipe = RECIPES["sample"]
    execution = Execution(device=DEVICE, precision=resolve_precision("auto", DEVICE))
    step, pair = ours(recipe, 1, execution), recipe.batch(1)
    serve(lambda: lambda: step(pair))


def main(
    rounds: Rounds = 6,
    as_json: AsJson = False,
    method: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print seconds per step of each setting, next to none, one and three busy programs."""
    if method:
        work()
        return
    running = {
        name: MethodProcess("benchmarks.busy", "step", settings=settings)
        for name, settings in SETTINGS.items()
    }
    seconds: dict[str, dict[str, float]] = {name: {} for name in SETTINGS}
    for count in BUSY:
        found: dict[str, list[float]] = {name: [] for name in SETTINGS}
        with busy(count):
            for number in range(rounds + 1):
                for name, step in running.items():
                    start = time.perf_counter()
                    for _ in range(10):
                        step()
                    if number:
                        found[name].append((time.perf_counter() - start) / 10)
        for name, times in found.items():
            seconds[name][f"{count} busy"] = round(median(times), 4)
    for step in running.values():
        step.end()
    best = {count: min(row[count] for row in seconds.values()) for count in seconds["one thread"]}
    results = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "seconds_per_step": seconds,
        "worst_ratio_to_best": {
            name: round(max(row[count] / best[count] for count in best), 2)
            for name, row in seconds.items()
        },
    }
    print_results(results, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
