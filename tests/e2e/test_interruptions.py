"""Trainings that are stopped, killed or orphaned, in the real stages; `make soak` does it more."""

import signal
from random import Random

import pytest

from esrgan_core.engine.checkpoint import Checkpoints
from tests.support.trainings import OFTEN, SECONDS_TO_END, Trainings, disturb, orphans, wait_for

STEPS = OFTEN["pretrain"]["steps"]


@pytest.mark.parametrize(
    ("stage", "stop"), [("pretrain", signal.SIGTERM), ("finetune", signal.SIGINT)]
)
def test_a_kill_costs_no_bit_nor_does_a_stop_which_is_said_and_heeded_between_steps(
    trainings: Trainings, stage: str, stop: signal.Signals
) -> None:
    numbers = [signal.SIGKILL, stop]
    assert disturb(trainings, stage, f"disturbed-{stage}", numbers, Random(0)) == []


def test_beside_a_training_the_same_is_refused_and_another_waits_and_says_for_whom(
    trainings: Trainings,
) -> None:
    state = "turns"
    first = trainings.start("pretrain", state)
    wait_for(lambda: trainings.steps_done("pretrain", state) >= 1)
    # held where it is, so that it is not done before the others come
    first.send_signal(signal.SIGSTOP)
    same = trainings.start("pretrain", state)
    printed, _ = same.communicate(timeout=SECONDS_TO_END)
    assert same.returncode == 1
    assert f"process {first.pid} in {trainings.folder} is training in" in printed
    other = trainings.start("finetune", state)
    wait_for(lambda: trainings.checkpoints("finetune", state) is not None)
    first.send_signal(signal.SIGCONT)
    printed, _ = other.communicate(timeout=SECONDS_TO_END)
    assert other.returncode == 0, printed
    assert f"waiting for cpu, which is used by process {first.pid} in {trainings.folder}" in printed
    assert trainings.intact("finetune", state)


def test_usr1_saves_and_goes_on(trainings: Trainings) -> None:
    process = trainings.start("pretrain", "saved")
    wait_for(lambda: trainings.steps_done("pretrain", "saved") >= 3)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0
    folder = trainings.checkpoints("pretrain", "saved")
    assert folder
    due = {*range(0, STEPS, OFTEN["pretrain"]["save_every"]), STEPS}
    assert len(set(Checkpoints(folder).steps()) - due) == 1
    assert trainings.intact("pretrain", "saved")


def test_no_training_outlives_dvc(trainings: Trainings) -> None:
    assert orphans(trainings, signal.SIGKILL, "orphan", Random(2)) == []
