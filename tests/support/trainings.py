"""Real training stages that are killed, stopped and resumed, and what must be left of them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import torch
from ruamel.yaml import YAML

from esrgan_core.engine.checkpoint import Checkpoints
from esrgan_core.engine.journal import MetricsJournal
from pipelines.config.params import read_yaml, update_params
from tests.e2e.conftest import command_in, environment
from tests.support.states import tensors

OFTEN = {
    "pretrain": {
        "steps": 120, "save_every": 17, "validate_every": 40, "report_every": 1, "keep": 20,
    },
    "finetune": {
        "steps": 40, "save_every": 7, "validate_every": 20, "report_every": 1, "patch_size": 32,
    },
}  # fmt: skip
STAGES = ("pretrain", "finetune")
PREPARED = {"download", "images", "validate", "bicubic", "pairs"}
SECONDS_TO_END = 300


def module_of(stage: str) -> str:
    """What `python -m` starts a training by."""
    return f"pipelines.{'stages' if stage in STAGES else 'baselines'}.{stage}"


@dataclass
class Trainings:
    """A copy of the project whose pairs are ready; each training has a state root of its own."""

    folder: Path
    whole: dict[str, dict[str, torch.Tensor]] = field(init=False)
    """Everything in the last state of a training that nothing disturbed, by stage."""
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.whole = {stage: self.final(stage, "whole") for stage in STAGES}

    def settings(self, state: str) -> dict[str, str]:
        """The environment of a training; all report to one store, since making one takes long."""
        return environment(self.folder) | {
            "ESRGAN_STATE": str(self.folder / "states" / state),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/.esrgan/mlflow.db",
        }

    def start(self, stage: str, state: str, **extra: str) -> "subprocess.Popen[str]":
        """Begin a stage, or go on with it."""
        process = subprocess.Popen(
            [sys.executable, "-m", module_of(stage)],
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
        printed, _ = process.communicate(timeout=SECONDS_TO_END)
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
        return MetricsJournal(folder / "metrics.jsonl").rows() if folder else []

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


def train_whole(folder: Path) -> None:
    """Train each stage once without a disturbance, in a copy whose pairs are ready."""
    for made in (folder / "artifacts").iterdir():
        if made.is_dir() and made.name not in PREPARED:
            shutil.rmtree(made)
    params = read_yaml(folder / "params.yaml")
    update_params(params, OFTEN)
    YAML().dump(params, folder / "params.yaml")
    command_in(folder)("git", "commit", "--quiet", "--all", "--message", "often")
    for stage in STAGES:
        command_in(folder)(
            "python", "-m", f"pipelines.stages.{stage}", ESRGAN_STATE=str(folder / "states/whole")
        )


def wait_for(condition: Callable[[], bool], seconds: float = 300, pause: float = 0.01) -> None:
    """Look every `pause` seconds until something holds; how long it takes says nothing."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(pause)


def disturb(
    trainings: Trainings, stage: str, state: str, numbers: Sequence[signal.Signals], random: Random
) -> list[str]:
    """Send a training each of some signals in its turn, taking it up again, then let it end.

    The first comes at a random step of the first part of the training, the next in the part after
    that, and one part is left to end in.

    Returns:
        What was not as it must be.
    """
    problems: list[str] = []
    part = OFTEN[stage]["steps"] // (len(numbers) + 1)
    for index, number in enumerate(numbers):
        # what a killed training has reported beyond its last state comes again
        done = trainings.steps_done(stage, state)
        moment = max(done + 1, index * part + random.randint(1, part))
        process = trainings.start(stage, state)
        wait_for(lambda: process.poll() is not None or trainings.steps_done(stage, state) >= moment)  # noqa: B023
        # a moment within a step, a save or a validation
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(number)
        seen = trainings.steps_done(stage, state)
        printed, _ = process.communicate(timeout=SECONDS_TO_END)
        found = _after(trainings, stage, state, number, process.returncode, seen)
        if number != signal.SIGKILL:
            saved = trainings.saved(stage, state)
            found += _unsaid(printed, f"stopped by {number.name} after step {saved}, saved")
        problems += [f"{problem}; it said: {printed}" for problem in found]
    problems += _unsaid(trainings.finish(stage, state), f"{stage}: continuing after step")
    if not trainings.intact(stage, state):
        problems.append(f"{state} differs from a training that nothing disturbed")
    return problems


def _unsaid(printed: str, words: str) -> list[str]:
    return [] if words in printed else [f"{words!r} is not in {printed!r}"]


def _after(
    trainings: Trainings, stage: str, state: str, number: signal.Signals, code: int, seen: int
) -> list[str]:
    """What is wrong right after a signal; a kill leaves nothing to look at."""
    expected = -number if number == signal.SIGKILL else 128 + number
    if code != expected:
        return [f"{state}: exit code {code}"]
    saved = trainings.saved(stage, state)
    if number != signal.SIGKILL and not seen <= saved <= seen + 2:
        return [f"{state}: the signal came at step {seen}, saved was {saved}"]
    return []


def orphans(trainings: Trainings, number: signal.Signals, state: str, random: Random) -> list[str]:
    """End `dvc repro` in the middle of a training; what of it does not end."""
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
        _, alive = psutil.wait_procs(stages, timeout=SECONDS_TO_END)
        return [f"{number.name}: {process} is left" for process in alive]
    finally:
        dvc.kill()
        dvc.wait()
