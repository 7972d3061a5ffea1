"""Trainings with two processes, of which one or all are ended."""

import signal
import socket
import subprocess

import psutil
import pytest

from pipelines.config.params import read_yaml
from tests.support.trainings import FREQUENT, SECONDS_TO_END, Trainings, wait_for

STEPS = FREQUENT["pretrain"]["steps"]
TWO = {"ESRGAN_RANKS": "2"}


def rank_processes(process: "psutil.Process") -> list[psutil.Process]:
    """The training processes, by rank."""
    found = [
        child
        for child in process.children(recursive=True)
        if "pipelines.stages.pretrain" in child.cmdline() and "RANK" in child.environ()
    ]
    return sorted(found, key=lambda child: int(child.environ()["RANK"]))


def test_two_processes_train_like_one_even_if_one_is_killed(trainings: Trainings) -> None:
    state = "one-dies"
    process = trainings.start("pretrain", state, **TWO)
    wait_for(lambda: trainings.steps_done("pretrain", state) >= 30)
    rank_processes(psutil.Process(process.pid))[1].kill()
    printed, _ = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0, printed
    # both were started again
    assert "pretrain: continuing after step" in printed
    single, several = (trainings.rows("pretrain", name) for name in ("whole", state))
    assert [row["step"] for row in single] == [row["step"] for row in several]
    # sums are rounded differently, and the differences grow
    for one, two in zip(single[:20], several[:20], strict=True):
        for name in ("g/pixel", "val/psnr_y"):
            if name in one:
                assert two[name] == pytest.approx(one[name], rel=5e-3), (one["step"], name)


@pytest.mark.parametrize("stage", ["pretrain", "srcnn"])
def test_two_machines_train_together(trainings: Trainings, stage: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = f"127.0.0.1:{free.getsockname()[1]}"
    state, arguments = "machines", [stage, "2", meet]
    parts = [
        subprocess.Popen(
            ["bash", "deploy/multinode.sh", role, *arguments],
            cwd=trainings.folder,
            env=trainings.settings(state) | {"ESRGAN_RANKS": "1", "DVC_NO_ANALYTICS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for role in ("lead", "join")
    ]
    trainings.started += parts
    outputs = [one.communicate(timeout=SECONDS_TO_END)[0] for one in parts]
    assert [one.returncode for one in parts] == [0, 0], outputs
    steps = read_yaml(trainings.folder / "params.yaml")[stage]["steps"]
    assert trainings.steps_done(stage, state) == trainings.saved(stage, state) == steps
    assert (trainings.folder / "artifacts" / stage / "run.json").is_file()


def test_all_processes_stop_at_a_saved_step_and_none_outlives_the_stage(
    trainings: Trainings,
) -> None:
    state = "stopped"
    process = trainings.start("pretrain", state, **TWO)
    wait_for(lambda: trainings.steps_done("pretrain", state) >= 30)
    process.send_signal(signal.SIGTERM)
    seen = trainings.steps_done("pretrain", state)
    printed, _ = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 143, printed
    # the last step is saved; its number depends on when both processes notice the signal
    saved = trainings.saved("pretrain", state)
    assert seen <= saved < STEPS
    assert saved == trainings.steps_done("pretrain", state)
    process = trainings.start("pretrain", state, **TWO)
    wait_for(lambda: trainings.steps_done("pretrain", state) > saved)
    ranks = rank_processes(psutil.Process(process.pid))
    assert len(ranks) == 2
    process.kill()
    _, alive = psutil.wait_procs(ranks, timeout=SECONDS_TO_END)
    assert not alive
    assert f"continuing after step {saved} of" in process.communicate(timeout=SECONDS_TO_END)[0]
