"""Real training stages that are killed, stopped and continued, and checks of their results."""

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

FREQUENT = {
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


def stage_module(stage: str) -> str:
    """The module of a stage, for `python -m`."""
    return f"pipelines.{'stages' if stage in STAGES else 'baselines'}.{stage}"


@dataclass
class Trainings:
    """A copy of the project with prepared pairs; each training has its own state root."""

    folder: Path
    whole: dict[str, dict[str, torch.Tensor]] = field(init=False)
    """The tensors of an uninterrupted training, by stage."""
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.whole = {stage: self.final(stage, "whole") for stage in STAGES}

    def settings(self, state: str) -> dict[str, str]:
        """The environment of a training; all share one MLflow store, which is slow to create."""
        return environment(self.folder) | {
            "ESRGAN_STATE": str(self.folder / "states" / state),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/.esrgan/mlflow.db",
        }

    def start(self, stage: str, state: str, **extra: str) -> "subprocess.Popen[str]":
        """Start or continue a stage."""
        process = subprocess.Popen(
            [sys.executable, "-m", stage_module(stage)],
            cwd=self.folder,
            env=self.settings(state) | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def finish(self, stage: str, state: str, **extra: str) -> str:
        """Run a stage to its end; return its output."""
        process = self.start(stage, state, **extra)
        printed, _ = process.communicate(timeout=SECONDS_TO_END)
        assert process.returncode == 0, printed
        return printed

    def end_all(self) -> None:
        """Kill all processes."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.started.clear()

    def checkpoints(self, stage: str, state: str) -> Path | None:
        """The checkpoint folder; None before it exists."""
        found = sorted((self.folder / "states" / state / "checkpoints" / stage).glob("*"))
        return found[0] if found else None

    def rows(self, stage: str, state: str) -> list[dict[str, float]]:
        """The rows of the journal."""
        folder = self.checkpoints(stage, state)
        return MetricsJournal(folder / "metrics.jsonl").rows() if folder else []

    def steps_done(self, stage: str, state: str) -> int:
        """The last step in the journal; 0 if it is empty."""
        rows = self.rows(stage, state)
        return int(rows[-1]["step"]) if rows else 0

    def saved(self, stage: str, state: str) -> int:
        """The step of the last checkpoint; 0 if there is none."""
        folder = self.checkpoints(stage, state)
        return max(Checkpoints(folder).steps(), default=0) if folder else 0

    def final(self, stage: str, state: str) -> dict[str, torch.Tensor]:
        """All tensors of the last checkpoint and the bytes of the output."""
        folder = self.checkpoints(stage, state)
        assert folder
        found = torch.load(folder / f"step_{FREQUENT[stage]['steps']:08}.pt", weights_only=True)
        output = self.folder / "artifacts" / stage / "generator.safetensors"
        bits = torch.frombuffer(bytearray(output.read_bytes()), dtype=torch.uint8)
        return tensors(found) | {"output": bits}

    def is_intact(self, stage: str, state: str) -> bool:
        """Whether a training has the same bits as the uninterrupted one."""
        expected, found = self.whole[stage], self.final(stage, state)
        equal = all(torch.equal(value, found[key]) for key, value in expected.items())
        steps = [row["step"] for row in self.rows(stage, state) if "g/pixel" in row]
        each_once = steps == list(range(1, FREQUENT[stage]["steps"] + 1))
        return equal and expected.keys() == found.keys() and each_once


def train_whole(folder: Path) -> None:
    """Train each stage once without interruption, in a copy with prepared pairs."""
    for made in (folder / "artifacts").iterdir():
        if made.is_dir() and made.name not in PREPARED:
            shutil.rmtree(made)
    params = read_yaml(folder / "params.yaml")
    update_params(params, FREQUENT)
    YAML().dump(params, folder / "params.yaml")
    command_in(folder)("git", "commit", "--quiet", "--all", "--message", "frequent checkpoints")
    for stage in STAGES:
        command_in(folder)(
            "python", "-m", f"pipelines.stages.{stage}", ESRGAN_STATE=str(folder / "states/whole")
        )


def wait_for(condition: Callable[[], bool], seconds: float = 300, pause: float = 0.01) -> None:
    """Check a condition every `pause` seconds until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition is still false after {seconds} s"
        time.sleep(pause)


def interrupt_training(
    trainings: Trainings, stage: str, state: str, numbers: Sequence[signal.Signals], random: Random
) -> list[str]:
    """Send signals to a training, continue it after each, and finish it.

    The steps are divided into parts; each signal comes at a random step of its part, and the last
    part has no signal.

    Returns:
        All problems.
    """
    problems: list[str] = []
    part = FREQUENT[stage]["steps"] // (len(numbers) + 1)
    for index, number in enumerate(numbers):
        # a killed training repeats the steps after its last checkpoint
        done = trainings.steps_done(stage, state)
        target = max(done + 1, index * part + random.randint(1, part))
        process = trainings.start(stage, state)
        wait_for(lambda: process.poll() is not None or trainings.steps_done(stage, state) >= target)  # noqa: B023
        # at any moment of a step, a save or a validation
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(number)
        seen = trainings.steps_done(stage, state)
        printed, _ = process.communicate(timeout=SECONDS_TO_END)
        found = _problems_after(trainings, stage, state, number, process.returncode, seen)
        if number != signal.SIGKILL:
            saved = trainings.saved(stage, state)
            found += _missing(printed, f"stopped by {number.name} after step {saved}, saved")
        problems += [f"{problem}; output: {printed}" for problem in found]
    problems += _missing(trainings.finish(stage, state), f"{stage}: continuing after step")
    if not trainings.is_intact(stage, state):
        problems.append(f"{state} differs from the uninterrupted training")
    return problems


def _missing(printed: str, message: str) -> list[str]:
    return [] if message in printed else [f"{message!r} is not in {printed!r}"]


def _problems_after(
    trainings: Trainings, stage: str, state: str, number: signal.Signals, code: int, seen: int
) -> list[str]:
    """Problems right after a signal."""
    expected = -number if number == signal.SIGKILL else 128 + number
    if code != expected:
        return [f"{state}: exit code {code}"]
    saved = trainings.saved(stage, state)
    if number != signal.SIGKILL and not seen <= saved <= seen + 2:
        return [f"{state}: signal at step {seen}, checkpoint at step {saved}"]
    return []


def find_orphans(
    trainings: Trainings, number: signal.Signals, state: str, random: Random
) -> list[str]:
    """Send a signal to `dvc repro` during a training; return the processes that do not end."""
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
        return [f"{number.name}: {process} still runs" for process in alive]
    finally:
        dvc.kill()
        dvc.wait()
