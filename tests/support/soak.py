"""Trainings under fire, for long: `make soak`, or `make soak SOAK=short` in minutes.

Prints a line for each thing that must hold, and ends with 1 if any does not.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, get_args

import torch
import typer
from torch import nn

from esrgan_core.engine.checkpoint import Checkpoints
from tests.e2e.conftest import moved, run_whole
from tests.support import ROOT
from tests.support.cloud import clouded, kill_uploads
from tests.support.flows import LONG, Flows
from tests.support.interruptions import INTERRUPTIONS, interrupt, resume
from tests.support.publishing import Publishing
from tests.support.states import spoil
from tests.support.stores import When
from tests.support.trainings import STAGES, Trainings, disturb, orphans, train_whole

PER_TRAINING = 5
"""Signals; a training of forty steps has room for no more."""
WIDTH = 700
"""Of a layer whose state of 2 MB takes long enough to be hit while it is written."""


class Tally:
    """What was tried, and what went wrong."""

    def __init__(self) -> None:
        self.failed = False

    def take(self, what: str, tries: int, problems: Sequence[str], began: float) -> None:
        """Print one line, and the problems below it."""
        seconds = time.monotonic() - began
        print(f"{what}: {tries - len(problems)} of {tries}  ({seconds:.0f} s)", flush=True)
        for problem in problems:
            print(f"  {problem}", flush=True)
        self.failed |= bool(problems)


def layer(value: float) -> dict[str, nn.Module]:
    """A state whose every number is `value`."""
    module = nn.Linear(WIDTH, WIDTH)
    for weight in module.parameters():
        nn.init.constant_(weight, value)
    return {"layer": module}


def in_child(work: Callable[[], None]) -> int:
    """Process id of a fork that does the work and ends."""
    if child := os.fork():
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def problem_of(folder: Path, at_least: int) -> str:
    """Why the newest state cannot be gone on from; "" if it can."""
    found = layer(-1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        step = Checkpoints(folder).restore(found, at_most=10**6)
    weight = next(found["layer"].parameters())
    if said:
        return f"the newest state was damaged: {said[0].message}"
    if step is None or step < at_least or not bool((weight == step).all()):
        return f"restored {step}, {at_least} was saved"
    return ""


def kills_while_saving(folder: Path, count: int, random: Random) -> list[str]:
    """Kill a process that saves one state after the other, and restore what it left."""
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
        checkpoints.tidy()
    return problems


def damages(folder: Path, count: int, random: Random) -> list[str]:
    """Flip a bit of the newest state or its manifest, or cut it; it must be passed over."""
    problems = []
    for number in range(count):
        own = folder / str(number)
        checkpoints = Checkpoints(own)
        for step in (1, 2):
            checkpoints.save(step, layer(step))
        newest = own / f"step_00000002{random.choice(['.pt', '.json'])}"
        place = spoil(newest, random, flip=bool(number % 2))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            restored = checkpoints.restore(layer(0), at_most=9)
        if restored != 1 or not any("damaged" in str(one.message) for one in said):
            problems.append(f"{newest.name}, byte {place}: restored {restored}")
        for path in own.iterdir():
            path.unlink()
    return problems


def full_disks(folder: Path, count: int) -> list[str]:
    """Let the system refuse to write beyond some size; the state before must stay."""
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


def cut_publishing(project: Path, every: int) -> tuple[int, list[str]]:
    """Publish, cut at each `every`-th call, and again: (tries, what differs in the end)."""
    publishing = Publishing(project)
    numbers = range(0, len(publishing.calls), every)
    found = [publishing.problem(n, when) for when in get_args(When) for n in numbers]
    return len(found), list(filter(None, found))


def under_fire(flows: Flows, tally: Tally, count: int, random: Random) -> None:
    """Interrupt runs of the flow in every way, each time of a run that is then finished."""
    run = flows.start_run("whole", overrides=LONG)
    assert flows.wait(run) == "COMPLETED", flows.message(run)
    whole, began, found = flows.weights("whole"), time.monotonic(), []
    for index in range(count):
        flows.delete_trainings()
        how = INTERRUPTIONS[index % len(INTERRUPTIONS)]
        found += interrupt(flows, f"fire-{index}", how, random).wait(flows)
        found += resume(flows, f"fire-{index}", whole)
    words = "flows ended in eight ways: no orphan, a true state, the same bits when run again"
    tally.take(words, count, found, began)


def tests(*words: str) -> list[str]:
    """Run tests; what failed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print("  " + done.stdout.splitlines()[-1], flush=True)
    return [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]


def telemetry() -> list[str]:
    """Step times under a store that is slow, hangs, or is dead, within 5 % of one that is well."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.telemetry", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ratios = json.loads(done.stdout)["step_time_beside_well"]
    print(f"  step time beside a store that is well: {ratios}", flush=True)
    return [f"{name}: {ratio}" for name, ratio in ratios.items() if ratio > 1.05]


def main(
    short: Annotated[bool, typer.Option("--short", help="a fifth of the points")] = False,
    seed: Annotated[int, typer.Option(help="of the random moments")] = 0,
) -> None:
    """Do everything, print a line for each, and end with 1 if anything is not as it must be."""
    torch.set_num_threads(1)
    tally, random = Tally(), Random(seed)

    def points(full: int) -> int:
        return full // 5 if short else full

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        found = kills_while_saving(folder / "saving", count := points(200), random)
        tally.take("kills while saving, the newest state readable", count, found, began)
        began = time.monotonic()
        found = damages(folder / "damages", count := points(100), random)
        tally.take("flips and cuts noticed, the state before used", count, found, began)
        began = time.monotonic()
        found = full_disks(folder / "full", count := 20)
        tally.take("writes refused by the system, the state before intact", count, found, began)

        run_whole(folder / "trained")
        train_whole(moved(folder / "trained", folder / "project"))
        trainings = Trainings(folder / "project")
        for numbers, words in (
            ([signal.SIGKILL], "kill -9 at random moments, the same bits in the end"),
            (
                [signal.SIGTERM, signal.SIGINT],
                "TERM or INT at random moments, saved at once, the same bits in the end",
            ),
        ):
            for stage in STAGES:
                began, found = time.monotonic(), []
                for index in range(count := points(50) // PER_TRAINING):
                    number = numbers[index % len(numbers)]
                    state = f"{stage}-{number.name}-{index}"
                    found += disturb(trainings, stage, state, [number] * PER_TRAINING, random)
                tally.take(f"{stage}: {words}", count * PER_TRAINING, found, began)
        began = time.monotonic()
        count = points(20)
        found = []
        for index in range(count):
            how = (signal.SIGTERM, signal.SIGKILL)[index % 2]
            found += orphans(trainings, how, f"orphan-{index}", random)
        tally.take("dvc ended by TERM or KILL, no training left", count, found, began)
        trainings.end_all()
        began = time.monotonic()
        project = moved(folder / "trained", folder / "publishing")
        count, found = cut_publishing(project, every=5 if short else 1)
        tally.take("publishing cut at each call, completed by the next", count, found, began)

        flows = Flows.start(moved(folder / "trained", folder / "flows"))
        try:
            under_fire(flows, tally, max(points(20), len(INTERRUPTIONS)), random)
        finally:
            flows.local("stop")
        began = time.monotonic()
        with clouded(folder / "cloud") as one:
            found = kill_uploads(one, count := points(20), random)
        tally.take("uploads to S3 killed, no part to be seen", count, found, began)

    for what, which in {
        "a photograph of full size in parts as a whole, where ESRGAN_TEST_DATA is": ["-m", "long"],
        "not finite, caught before the update": ["tests/esrgan_core/engine/test_steps.py"],
        "collapses alarmed, healthy trainings not": ["tests/esrgan_core/engine/test_health.py"],
        "two processes as one": ["tests/esrgan_core/engine/test_distributed.py"],
        "MLflow dead, hanging, slow: nothing lost or doubled": [
            "tests/e2e/test_telemetry.py",
            "-m",
            "long or not long",
        ],
    }.items():
        began = time.monotonic()
        found = tests(*which)
        tally.take(f"tests: {what}", 1, found[:1], began)
    if not short:
        began = time.monotonic()
        tally.take("step time within 5 %", 3, telemetry(), began)
    raise typer.Exit(code=int(tally.failed))


if __name__ == "__main__":
    typer.run(main)
