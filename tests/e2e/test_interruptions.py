"""Stopped, killed and orphaned trainings in the real stages; `make soak` does more of it."""

import signal
from random import Random

import pytest

from esrgan_core.engine.checkpoint import Checkpoints
from tests.support.trainings import (
    FREQUENT,
    SECONDS_TO_END,
    Trainings,
    find_orphans,
    interrupt_training,
    wait_for,
)

STEPS = FREQUENT["pretrain"]["steps"]


@pytest.mark.parametrize(
    ("stage", "stop"), [("pretrain", signal.SIGTERM), ("finetune", signal.SIGINT)]
)
def test_a_killed_and_stopped_training_ends_with_the_same_bits(
    trainings: Trainings, stage: str, stop: signal.Signals
) -> None:
    numbers = [signal.SIGKILL, stop]
    assert interrupt_training(trainings, stage, f"interrupted-{stage}", numbers, Random(0)) == []


def test_a_second_training_of_a_recipe_is_an_error_and_another_recipe_waits_for_the_device(
    trainings: Trainings,
) -> None:
    state = "turns"
    first = trainings.start("pretrain", state)
    wait_for(lambda: trainings.steps_done("pretrain", state) >= 1)
    # paused, so that it does not end before the others start
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
    assert trainings.is_intact("finetune", state)


def test_usr1_saves_a_checkpoint(trainings: Trainings) -> None:
    process = trainings.start("pretrain", "saved")
    wait_for(lambda: trainings.steps_done("pretrain", "saved") >= 3)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0
    folder = trainings.checkpoints("pretrain", "saved")
    assert folder
    due = {*range(0, STEPS, FREQUENT["pretrain"]["save_every"]), STEPS}
    assert len(set(Checkpoints(folder).steps()) - due) == 1
    assert trainings.is_intact("pretrain", "saved")


def test_no_training_outlives_dvc(trainings: Trainings) -> None:
    assert find_orphans(trainings, signal.SIGKILL, "orphan", Random(2)) == []
