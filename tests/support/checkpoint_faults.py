"""Checkpoints whose process is killed or starved, or whose files are damaged."""

import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

from torch import nn

from esrgan_core.engine.checkpoint import Checkpoints
from tests.support.states import damage

WIDTH = 700
"""Features of a layer whose checkpoint of 2 MB takes long enough to be hit while it is written."""


def layer(value: float) -> dict[str, nn.Module]:
    """A part of a checkpoint whose values all equal `value`."""
    module = nn.Linear(WIDTH, WIDTH)
    for weight in module.parameters():
        nn.init.constant_(weight, value)
    return {"layer": module}


def in_child(work: Callable[[], None]) -> int:
    """Fork a process that does the work and ends; return its process id."""
    if child := os.fork():
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def problem_of(folder: Path, at_least: int) -> str:
    """Why the newest checkpoint cannot be continued; "" if it can."""
    found = layer(-1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step = Checkpoints(folder).restore(found, at_most=10**6)
    weight = next(found["layer"].parameters())
    if caught:
        return f"the newest checkpoint was damaged: {caught[0].message}"
    if step is None or step < at_least or not bool((weight == step).all()):
        return f"restored {step}, {at_least} was saved"
    return ""


def kills_while_saving(folder: Path, count: int, random: Random) -> list[str]:
    """Kill a process that saves checkpoints one after another, and restore the newest one."""
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, layer(1))
    problems, last = [], 1

    def save_on() -> None:
        step = last
        while True:
            step += 1
            checkpoints.save(step, layer(step))

    for number in range(count):
        child = in_child(save_on)
        time.sleep(random.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if problem := problem_of(folder, last):
            problems.append(f"kill {number}: {problem}")
        last = checkpoints.steps()[-1]
        checkpoints.remove_partial_writes()
    return problems


def damages(folder: Path, count: int, random: Random) -> list[str]:
    """Flip a bit of the newest checkpoint or its manifest, or cut it; it must be skipped."""
    problems = []
    for number in range(count):
        own = folder / str(number)
        checkpoints = Checkpoints(own)
        for step in (1, 2):
            checkpoints.save(step, layer(step))
        newest = own / f"step_00000002{random.choice(['.pt', '.json'])}"
        place = damage(newest, random, flip=bool(number % 2))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            restored = checkpoints.restore(layer(0), at_most=9)
        if restored != 1 or not any("damaged" in str(one.message) for one in caught):
            problems.append(f"{newest.name}, byte {place}: restored {restored}")
        for path in own.iterdir():
            path.unlink()
    return problems


def full_disks(folder: Path, count: int) -> list[str]:
    """Let the system refuse writes beyond some size; the previous checkpoint must stay."""
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, layer(1))
    size = next(folder.glob("*.pt")).stat().st_size
    problems = []
    for point in range(count):

        def save(point: int = point) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limit = size * point // count
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            checkpoints.save(2, layer(2))

        sys.stderr.flush()
        _, status = os.waitpid(in_child(save), 0)
        if os.waitstatus_to_exitcode(status) == 0 or checkpoints.steps() != [1]:
            problems.append(f"a limit at {point} of {count} parts was not noticed")
        elif problem := problem_of(folder, 1):
            problems.append(f"a limit at {point} of {count} parts: {problem}")
    return problems
