"""Trainings that are stopped, killed or orphaned, in the real stages."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from esrgan_core.engine.journal import Journal
from pipelines.params import read_yaml
from tests.e2e.conftest import command_in, environment, project_copy

STEPS = 300
STAGE = [sys.executable, "-m", "pipelines.stages.pretrain"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose pairs are ready and that reports and saves often."""
    folder = project_copy(tmp_path_factory.mktemp("cut") / "project")
    params = read_yaml(folder / "params.yaml")
    params["pretrain"] |= {"steps": STEPS, "save_every": 100, "report_every": 1}
    YAML().dump(params, folder / "params.yaml")
    run = command_in(folder)
    run("git", "commit", "--quiet", "--all", "--message", "often")
    run("dvc", "repro", "bicubic")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(prepared: Path) -> bytes:
    """The generator's file of a training that nothing disturbed."""
    subprocess.run(STAGE, cwd=prepared, env=settings(prepared, "whole"), check=True)
    return weights(prepared)


def settings(folder: Path, state: str) -> dict[str, str]:
    return environment(folder) | {"ESRGAN_STATE": str(folder / "states" / state)}


def weights(folder: Path) -> bytes:
    return (folder / "artifacts/pretrain/generator.safetensors").read_bytes()


@pytest.fixture
def start(prepared: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Starts the stage with a state root of its own; whatever is left is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(state: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            STAGE,
            cwd=prepared,
            env=settings(prepared, state),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def steps_done(folder: Path, state: str) -> int:
    """The last step in the journal; 0 before there is one."""
    found = list((folder / "states" / state).glob("checkpoints/pretrain/*/metrics.jsonl"))
    rows = Journal(found[0]).rows() if found else []
    return int(rows[-1]["step"]) if rows else 0


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_is_heeded_between_steps_and_resumed_to_the_same_bits(
    prepared: Path,
    uninterrupted: bytes,
    start: Callable[[str], "subprocess.Popen[str]"],
    number: signal.Signals,
    code: int,
) -> None:
    state = number.name
    process = start(state)
    wait_for(lambda: steps_done(prepared, state) >= 7)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code, printed
    assert f"stopped by {number.name} after step {steps_done(prepared, state)}, saved" in printed
    again = start(state)
    printed, _ = again.communicate(timeout=300)
    assert again.returncode == 0, printed
    assert "going on after step" in printed
    assert weights(prepared) == uninterrupted


def test_kills_at_any_moment_cost_no_bit(
    prepared: Path, uninterrupted: bytes, start: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    for moment in (3, 105, 155, 220):
        process = start("killed")
        wait_for(lambda moment=moment: steps_done(prepared, "killed") >= moment)  # type: ignore[misc]
        process.kill()
        process.wait()
    printed, _ = start("killed").communicate(timeout=300)
    assert "going on after step" in printed
    assert weights(prepared) == uninterrupted


def test_a_second_training_of_the_same_is_refused_at_once(
    prepared: Path, start: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    first = start("twice")
    wait_for(lambda: steps_done(prepared, "twice") >= 1)
    # held where it is, so that it is not done before the second one comes
    first.send_signal(signal.SIGSTOP)
    second = start("twice")
    printed, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another process is training in" in printed


def test_usr1_saves_and_goes_on(
    prepared: Path, start: Callable[[str], "subprocess.Popen[str]"]
) -> None:
    process = start("saved")
    wait_for(lambda: steps_done(prepared, "saved") >= 3)
    process.send_signal(signal.SIGUSR1)
    folder = prepared / "states" / "saved"
    wait_for(lambda: any(folder.glob("checkpoints/pretrain/*/step_*.json")))
    first = min(folder.glob("checkpoints/pretrain/*/step_*.json"))
    assert int(first.stem.partition("_")[2]) < 100
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_training_outlives_dvc(prepared: Path, number: signal.Signals) -> None:
    state = f"orphan-{number.name}"
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "pretrain"],
        cwd=prepared,
        env=settings(prepared, state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: steps_done(prepared, state) >= 3)
    stages = psutil.Process(dvc.pid).children(recursive=True)
    assert any("pipelines.stages.pretrain" in stage.cmdline() for stage in stages)
    dvc.send_signal(number)
    dvc.wait()
    gone, alive = psutil.wait_procs(stages, timeout=10)
    assert not alive
    assert gone
