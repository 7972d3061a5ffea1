"""Real training stages that are killed, stopped and resumed, and what must be left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import torch
from ruamel.yaml import YAML

from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.journal import Journal
from pipelines.params import merge, read_yaml
from tests.e2e.conftest import command_in, environment, project_copy
from tests.states import tensors

OFTEN = {
    "pretrain": {"steps": 120, "save_every": 17, "validate_every": 40, "report_every": 1},
    "finetune": {"steps": 40, "save_every": 7, "validate_every": 10, "report_every": 1},
}
STAGES = ("pretrain", "finetune")


@dataclass
class Trainings:
    """A copy of the project whose pairs are ready; each training has a state root of its own."""

    folder: Path
    whole: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    """Everything in the last state of a training that nothing disturbed, by stage."""
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @staticmethod
    def prepare(folder: Path) -> "Trainings":
        """Make the copy, and train each stage once without a disturbance."""
        project_copy(folder)
        params = read_yaml(folder / "params.yaml")
        merge(params, OFTEN)
        YAML().dump(params, folder / "params.yaml")
        run = command_in(folder)
        run("git", "commit", "--quiet", "--all", "--message", "often")
        run("dvc", "repro", "bicubic")
        trainings = Trainings(folder)
        for stage in STAGES:
            trainings.finish(stage, "whole")
            trainings.whole[stage] = trainings.final(stage, "whole")
        return trainings

    def settings(self, state: str) -> dict[str, str]:
        """The environment of a training."""
        return environment(self.folder) | {"ESRGAN_STATE": str(self.folder / "states" / state)}

    def start(self, stage: str, state: str, **extra: str) -> "subprocess.Popen[str]":
        """Begin a stage, or go on with it."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"pipelines.stages.{stage}"],
            cwd=self.folder,
            env=self.settings(state) | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def finish(self, stage: str, state: str, **extra: str) -> str:
        """Run a stage to its end; what it printed."""
        process = self.start(stage, state, **extra)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
        return printed

    def end_all(self) -> None:
        """Kill whatever is left."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.started.clear()

    def checkpoints(self, stage: str, state: str) -> Path | None:
        """The training's checkpoint folder, once there is one."""
        found = sorted((self.folder / "states" / state / "checkpoints" / stage).glob("*"))
        return found[0] if found else None

    def rows(self, stage: str, state: str) -> list[dict[str, float]]:
        """The training's journal."""
        folder = self.checkpoints(stage, state)
        return Journal(folder / "metrics.jsonl").rows() if folder else []

    def steps_done(self, stage: str, state: str) -> int:
        """The last step in the journal; 0 before there is one."""
        rows = self.rows(stage, state)
        return int(rows[-1]["step"]) if rows else 0

    def saved(self, stage: str, state: str) -> int:
        """The last step whose state is saved; 0 if none is."""
        folder = self.checkpoints(stage, state)
        return max(Checkpoints(folder).steps(), default=0) if folder else 0

    def final(self, stage: str, state: str) -> dict[str, torch.Tensor]:
        """Every tensor of the last state, and of the weights that the stage left."""
        folder = self.checkpoints(stage, state)
        assert folder
        found = torch.load(folder / f"step_{OFTEN[stage]['steps']:08}.pt", weights_only=True)
        output = self.folder / "artifacts" / stage / "generator.safetensors"
        bits = torch.frombuffer(bytearray(output.read_bytes()), dtype=torch.uint8)
        return tensors(found) | {"output": bits}

    def intact(self, stage: str, state: str) -> bool:
        """Whether a training ended in the bits of the one that nothing disturbed."""
        expected, found = self.whole[stage], self.final(stage, state)
        equal = all(torch.equal(value, found[key]) for key, value in expected.items())
        steps = [row["step"] for row in self.rows(stage, state) if "g/pixel" in row]
        each_once = steps == list(range(1, OFTEN[stage]["steps"] + 1))
        return equal and expected.keys() == found.keys() and each_once


def wait_for(condition: Callable[[], bool], seconds: float = 60, pause: float = 0.01) -> None:
    """Look every `pause` seconds until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(pause)


def disturb(
    trainings: Trainings, stage: str, number: signal.Signals, count: int, random: Random
) -> list[str]:
    """Send a signal at `count` random moments of trainings that are always taken up again.

    Returns:
        What was not as it must be.
    """
    problems, sent, name = [], 0, 0
    while True:
        state = f"{number.name}-{stage}-{name}"
        before = trainings.steps_done(stage, state)
        process = trainings.start(stage, state)
        wait_for(lambda: process.poll() is not None or trainings.steps_done(stage, state) > before)  # noqa: B023
        # a moment within what is left of the training, saves and validations included
        time.sleep(random.uniform(0, 1.5))
        if sent < count and process.poll() is None:
            process.send_signal(number)
            seen = trainings.steps_done(stage, state)
            printed, _ = process.communicate(timeout=60)
            if process.returncode != 0:
                sent += 1
                found = _after(trainings, stage, state, number, process.returncode, seen)
                problems += [f"{problem}; it said: {printed}" for problem in found]
                continue
        printed, _ = process.communicate(timeout=300)
        if process.returncode:
            problems.append(f"{state} ended with {process.returncode}: {printed}")
        elif not trainings.intact(stage, state):
            problems.append(f"{state} differs from a training that nothing disturbed")
        name += 1
        if sent >= count:
            return problems


def _after(
    trainings: Trainings, stage: str, state: str, number: signal.Signals, code: int, seen: int
) -> list[str]:
    """What is wrong right after a signal; a kill leaves nothing to look at."""
    if number == signal.SIGKILL:
        return []
    problems = []
    if code != 128 + number:
        problems.append(f"{state}: exit code {code}")
    if not seen <= trainings.saved(stage, state) <= seen + 2:
        saved = trainings.saved(stage, state)
        problems.append(f"{state}: the signal came at step {seen}, saved was {saved}")
    return problems


def orphans(trainings: Trainings, number: signal.Signals, state: str, random: Random) -> list[str]:
    """End `dvc repro` in the middle of a training; what still ran ten seconds later."""
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "pretrain"],
        cwd=trainings.folder,
        env=trainings.settings(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: trainings.steps_done("pretrain", state) >= 3)
        stages = psutil.Process(dvc.pid).children(recursive=True)
        assert any("pipelines.stages.pretrain" in stage.cmdline() for stage in stages)
        time.sleep(random.uniform(0, 0.3))
        os.kill(dvc.pid, number)
        dvc.wait()
        _, alive = psutil.wait_procs(stages, timeout=10)
        return [f"{number.name}: {process} is left" for process in alive]
    finally:
        dvc.kill()
        dvc.wait()
