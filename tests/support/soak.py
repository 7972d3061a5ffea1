"""Long tests of interruptions: `make soak`, or `make soak SOAK=short` in minutes.

Prints a line per check, and exits with code 1 if a check fails.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, get_args

import torch
import typer

from tests.e2e.conftest import moved, run_whole
from tests.support import ROOT
from tests.support.checkpoint_faults import damages, full_disks, kills_while_saving
from tests.support.cloud import kill_uploads, project_on_s3
from tests.support.flows import LONG, Flows
from tests.support.interruptions import INTERRUPTIONS, interrupt, resume
from tests.support.publishing import Publishing
from tests.support.stores import When
from tests.support.trainings import STAGES, Trainings, find_orphans, interrupt_training, train_whole

PER_TRAINING = 5
"""Signals per training; forty steps leave no time for more."""


class Tally:
    """Runs checks, prints their problems, and remembers whether there were any."""

    def __init__(self) -> None:
        self.failed = False

    def check(self, fact: str, tries: int, find_problems: Callable[[], Sequence[str]]) -> None:
        """Print one line, and the problems below it."""
        began = time.monotonic()
        problems = find_problems()
        seconds = time.monotonic() - began
        print(f"{fact}: {tries - len(problems)} of {tries}  ({seconds:.0f} s)", flush=True)
        for problem in problems:
            print(f"  {problem}", flush=True)
        self.failed |= bool(problems)


def check_checkpoints(tally: Tally, folder: Path, part: int, random: Random) -> None:
    """Kill, damage and starve processes that save checkpoints; try a `part`-th of all moments."""
    tally.check(
        "kills while saving, the newest checkpoint readable",
        count := 200 // part,
        partial(kills_while_saving, folder / "saving", count, random),
    )
    tally.check(
        "flips and cuts detected, the previous checkpoint used",
        count := 100 // part,
        partial(damages, folder / "damages", count, random),
    )
    tally.check(
        "writes refused by the system, the previous checkpoint intact",
        count := 20,
        partial(full_disks, folder / "full", count),
    )


def check_trainings(tally: Tally, folder: Path, part: int, random: Random) -> None:
    """Interrupt trainings of both stages at random moments, and DVC while it runs one."""
    train_whole(moved(folder / "trained", folder / "project"))
    trainings = Trainings(folder / "project")

    def interrupted(stage: str, numbers: Sequence[signal.Signals], count: int) -> list[str]:
        found = []
        for index in range(count):
            number = numbers[index % len(numbers)]
            state = f"{stage}-{number.name}-{index}"
            found += interrupt_training(trainings, stage, state, [number] * PER_TRAINING, random)
        return found

    def orphaned(count: int) -> list[str]:
        found = []
        for index in range(count):
            how = (signal.SIGTERM, signal.SIGKILL)[index % 2]
            found += find_orphans(trainings, how, f"orphan-{index}", random)
        return found

    count = 50 // part // PER_TRAINING
    for numbers, fact in (
        ([signal.SIGKILL], "KILL at random moments, the same bits in the end"),
        (
            [signal.SIGTERM, signal.SIGINT],
            "TERM or INT at random moments, saved at once, the same bits in the end",
        ),
    ):
        for stage in STAGES:
            tries = count * PER_TRAINING
            tally.check(f"{stage}: {fact}", tries, partial(interrupted, stage, numbers, count))
    count = 20 // part
    tally.check("dvc ended by TERM or KILL, no training left", count, partial(orphaned, count))
    trainings.end_all()


def check_publishing(tally: Tally, project: Path, every: int) -> None:
    """Cut publishing at each `every`-th call, and publish again."""
    publishing = Publishing(project)
    numbers = range(0, len(publishing.calls), every)
    cuts = [(number, when) for when in get_args(When) for number in numbers]
    tally.check(
        "publishing cut at each call, completed by the next",
        len(cuts),
        lambda: list(filter(None, (publishing.problem(*cut) for cut in cuts))),
    )


def check_flows(tally: Tally, project: Path, part: int, random: Random) -> None:
    """Interrupt runs of the flow in every way, and continue each of them."""
    flows, count = Flows.start(project), max(20 // part, len(INTERRUPTIONS))

    def interrupted() -> list[str]:
        found = []
        for index in range(count):
            flows.delete_trainings()
            how = INTERRUPTIONS[index % len(INTERRUPTIONS)]
            found += interrupt(flows, f"fire-{index}", how, random).wait(flows)
            found += resume(flows, f"fire-{index}", whole)
        return found

    try:
        run = flows.start_run("whole", overrides=LONG)
        assert flows.wait(run) == "COMPLETED", flows.message(run)
        whole = flows.weights("whole")
        tally.check(
            "flows ended in eight ways: no orphan, a correct state, the same bits when run again",
            count,
            interrupted,
        )
    finally:
        flows.local("stop")


def check_uploads(tally: Tally, folder: Path, count: int, random: Random) -> None:
    """Kill uploads to S3."""
    with project_on_s3(folder) as cloud:
        tally.check(
            "uploads to S3 killed, no partial object visible",
            count,
            partial(kill_uploads, cloud, count, random),
        )


def tests(*arguments: str) -> list[str]:
    """Run pytest; return the first test that failed, if any."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print("  " + done.stdout.splitlines()[-1], flush=True)
    lines = done.stdout.splitlines()
    return [line for line in lines if line.startswith(("FAILED", "ERROR"))][:1]


def telemetry() -> list[str]:
    """Stores (slow, hanging, down) with which a step takes more than 5 % longer than normally."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.telemetry", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ratios = json.loads(done.stdout)["step_time_beside_well"]
    print(f"  step times relative to a normal store: {ratios}", flush=True)
    return [f"{name}: {ratio}" for name, ratio in ratios.items() if ratio > 1.05]


def check_with_tests(tally: Tally) -> None:
    """Run tests that are long, or that show what the checks above rely on."""
    for fact, arguments in {
        "a photograph of full size in tiles equals the whole (needs ESRGAN_TEST_DATA)": [
            "-m",
            "long",
        ],
        "values that are not finite are detected before the update": [
            "tests/esrgan_core/engine/test_steps.py"
        ],
        "health warnings for collapses, none for healthy trainings": [
            "tests/esrgan_core/engine/test_health.py"
        ],
        "two processes equal one": ["tests/esrgan_core/engine/test_distributed.py"],
        "MLflow down, hanging, slow: nothing lost or duplicated": [
            "tests/e2e/test_telemetry.py",
            "-m",
            "long or not long",
        ],
    }.items():
        tally.check(f"tests: {fact}", 1, partial(tests, *arguments))


def main(
    short: Annotated[bool, typer.Option("--short", help="a fifth of the tries")] = False,
    seed: Annotated[int, typer.Option(help="of the random moments")] = 0,
) -> None:
    """Run all checks, print a line for each, and exit with code 1 if one fails."""
    torch.set_num_threads(1)
    tally, random, part = Tally(), Random(seed), 5 if short else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_checkpoints(tally, folder, part, random)
        run_whole(folder / "trained")
        check_trainings(tally, folder, part, random)
        check_publishing(tally, moved(folder / "trained", folder / "publishing"), every=part)
        check_flows(tally, moved(folder / "trained", folder / "flows"), part, random)
        check_uploads(tally, folder / "cloud", 20 // part, random)
    check_with_tests(tally)
    if not short:
        tally.check("step time within 5 %", 3, telemetry)
    raise typer.Exit(code=int(tally.failed))


if __name__ == "__main__":
    typer.run(main)
